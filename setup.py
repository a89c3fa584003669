"""Say where the packages are: three houses at the top level, imported under one name."""

from setuptools import find_packages, setup

HOUSES = ("devices", "simulator", "experiments")

setup(
    packages=[
        *find_packages(include=["cbramsim*"]),
        *(f"cbramsim.{room}" for room in find_packages(include=[f"{house}*" for house in HOUSES])),
    ],
    package_dir={f"cbramsim.{house}": house for house in HOUSES},
)
