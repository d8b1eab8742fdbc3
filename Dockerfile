# syntax=docker/dockerfile:1
# The node with ROS 2 Jazzy: docker build -t rgbt_seg_ros . (CPU), or with --build-arg TORCH=cuda for NVIDIA GPUs, then
#   docker run --rm --net=host --ipc=host [--gpus all] rgbt_seg_ros rgb:=/cam/image_raw thermal:=/boson/image_raw
FROM ros:jazzy

# cpu or cuda
ARG TORCH=cpu
ENV PIP_NO_CACHE_DIR=1

COPY . /ws/src/rgbt_seg_ros
RUN /ws/src/rgbt_seg_ros/scripts/install_robot.sh "--${TORCH}" --workspace /ws \
    && rm -rf /var/lib/apt/lists/* /ws/build /ws/log

# The image's own entry point sources /opt/ros/jazzy.
COPY --chmod=755 <<'END' /rgbt_seg_ros.sh
#!/bin/bash
source /ws/install/setup.bash
exec ros2 launch rgbt_seg_ros segment.launch.py "$@"
END

ENTRYPOINT ["/ros_entrypoint.sh", "/rgbt_seg_ros.sh"]
