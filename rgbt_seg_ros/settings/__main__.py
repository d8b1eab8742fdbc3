"""Prints the parameters as a commented parameter file: ``python3 -m rgbt_seg_ros.settings``."""

import sys

from rgbt_seg_ros.settings import PARAMETERS
from rgbt_seg_ros.settings.parameter import parameter_file

if __name__ == "__main__":
    sys.stdout.write(parameter_file(PARAMETERS.values()))
