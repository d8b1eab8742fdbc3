"""Wrong ROS arguments are one sentence that says what to give, and exit code 2; signals at the start are one word."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from waiting import wait_for

pytest.importorskip("rclpy", reason="needs ROS 2")
from rgbt_seg_ros.ros.arguments import arguments_without_ros

WRONG = {
    "-p broken": "'-p broken': it is not of the right form: give -p NAME:=VALUE",
    "-p": "Couldn't parse trailing -p flag",
    "-p model:=[1,": "'-p model:=[1,'",
    "-r broken": "'-r broken': it is not of the right form: give -r FROM:=TO",
    "--params-file /nope.yaml": "'--params-file /nope.yaml': Error opening YAML file: give --params-file FILE.yaml",
    "--log-level loud": "'--log-level loud': Argument does not use a valid severity level: give --log-level debug",
    "--nope": "unknown ROS arguments '--nope': known are -r, -p, --params-file",
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_ros_arguments_are_one_sentence(
    words: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["node", "--ros-args", *words.split()])
    with pytest.raises(SystemExit) as ended:
        arguments_without_ros()
    assert ended.value.code == 2
    error = capfd.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert WRONG[words] in error


def test_the_rest_is_the_commands_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["play", "bag", "--ros-args", "-r", "a:=b", "--", "--rate", "2"])
    assert arguments_without_ros() == ["bag", "--rate", "2"]


@pytest.mark.parametrize("command", ["play", "record", "watch", "evaluate_bag", "node"])
def test_a_command_with_wrong_ros_arguments_ends_with_2(
    command: str, start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start("-m", f"rgbt_seg_ros.{command}", "--ros-args", "-p", "broken")
    output, _ = process.communicate(timeout=120)
    assert (process.returncode, output.count("\n")) == (2, 1), output


@pytest.mark.parametrize(("number", "code", "word"), [(2, 130, "interrupted"), (15, 143, "terminated")])
def test_a_signal_while_the_node_still_imports_is_one_word(
    number: int, code: int, word: str, start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start("-m", "rgbt_seg_ros.node")
    maps = Path(f"/proc/{process.pid}/maps")
    wait_for(lambda: "libtorch_cpu" in maps.read_text(), "the import of torch")
    process.send_signal(number)
    output, _ = process.communicate(timeout=120)
    # On a machine that stalls here all may have been imported meanwhile.
    assert (process.returncode, output) == (code, f"{word}\n") or "shutting down" in output, output
    assert "Traceback" not in output
