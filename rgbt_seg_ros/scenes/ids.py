"""MFNet's class ids by name."""

from rgbt_seg_ros.classes import MFNET

NOTHING, CAR, PERSON, BIKE, KERB, CAR_STOP, GUARDRAIL, CONE, BUMP = range(len(MFNET.names))
