"""H.264 video through the ffmpeg program: OpenCV's wheels write no format that browsers play at a robot's speed."""

import shutil
import subprocess
from pathlib import Path

import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.whole_files import free_space, naming_file, sync, unfinished_path

LONGEST_GAP_S = 10


def ffmpeg_program() -> str:
    """Path of ffmpeg: the system's (rosdep key ffmpeg), or the one that the package imageio-ffmpeg brings.

    Raises:
        UserError: there is neither.
    """
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        import imageio_ffmpeg
    except ImportError:
        raise UserError("there is no ffmpeg to write videos with: install ffmpeg or imageio-ffmpeg") from None
    return str(imageio_ffmpeg.get_ffmpeg_exe())


class VideoWriter:
    """Writes RGB images with time stamps to an mp4 file of constant rate.

    Each image is shown from its own stamp to the next one's, in steps of 1 / `rate` seconds, so that the video
    runs as the recording did and not as fast as the images were computed; gaps over ten seconds are cut out.
    """

    def __init__(self, path: Path, rate: float = 20.0) -> None:
        """Args:
        path: the file; one that is there is replaced when the video is whole.
        rate: frames a second of the video.

        Raises:
            UserError: there is no ffmpeg.
        """
        self.path = path
        self.rate = rate
        self._program = ffmpeg_program()
        self._process: subprocess.Popen[bytes] | None = None
        self._first_ns = 0
        self._written = 0
        self._last: np.ndarray | None = None

    def add(self, stamp_ns: int, image: np.ndarray) -> None:
        """Add one image to be shown from `stamp_ns` on.

        Args:
            stamp_ns: its time in nanoseconds.
            image: uint8 [H, W, 3], RGB; all images of a video have one size.

        Raises:
            UserError: ffmpeg ended.
            ValueError: the size differs from the first image's.
        """
        if self._process is None or self._last is None:
            self._process = self._start(*image.shape[:2])
            self._first_ns = stamp_ns
        else:
            if image.shape != self._last.shape:
                raise ValueError(f"the image is {image.shape}, the video {self._last.shape}")
            due = round((stamp_ns - self._first_ns) * self.rate / 1e9) - self._written
            if not 0 <= due <= LONGEST_GAP_S * self.rate:
                # The stamps jumped (another pass, a long pause): go on right after what is there.
                due = 1
                self._first_ns = stamp_ns - round((self._written + due) / self.rate * 1e9)
            self._write(self._process, self._last, due)
        self._last = image

    def close(self) -> None:
        """Write what is left and end the file; without any image there is none."""
        if self._process is None or self._last is None:
            return
        self._write(self._process, self._last, 1)
        process, self._process = self._process, None
        _, errors = process.communicate()
        if process.returncode != 0:
            raise self._error(errors)
        with naming_file(self.path):
            sync(unfinished_path(self.path))
            unfinished_path(self.path).replace(self.path)

    def _start(self, height: int, width: int) -> subprocess.Popen[bytes]:
        source = [
            "-f",
            "rawvideo",
            "-pix_fmt",
            "rgb24",
            "-s",
            f"{width}x{height}",
            "-r",
            str(self.rate),
            "-i",
            "-",
        ]
        # yuv420p, which is what browsers play, needs even sides.
        picture = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p"]
        codec = [
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-crf",
            "26",
            "-threads",
            "1",
            "-movflags",
            "+faststart",
        ]
        target = ["-f", "mp4", str(unfinished_path(self.path))]
        with naming_file(self.path):
            unfinished_path(self.path).unlink(missing_ok=True)
        command = [self._program, "-y", "-v", "error", *source, *picture, *codec, *target]
        # A session of its own: the SIGINT of a terminal is for the recorder, which then ends the file properly.
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )

    def _write(self, process: subprocess.Popen[bytes], image: np.ndarray, copies: int) -> None:
        assert process.stdin is not None
        data = np.ascontiguousarray(image).data
        try:
            for _ in range(copies):
                process.stdin.write(data)
        except BrokenPipeError:
            _, errors = process.communicate()
            self._process = None
            raise self._error(errors) from None
        self._written += copies

    def _error(self, errors: bytes) -> UserError:
        """What ffmpeg said at its end; what it has written is of no use."""
        unfinished_path(self.path).unlink(missing_ok=True)
        return UserError(f"ffmpeg could not write {self.path}: {_last_line(errors)}; {free_space(self.path)}")


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it ended without a reason"
