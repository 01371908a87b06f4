"""Lay out the maps of states with Graphviz, and write where everything stands to amazonpay_nb/workbench/maps.json.

    .venv/bin/python -m docs.maps

Needs the ``dot`` of Graphviz, and only where a state or a way is new: pictures are drawn from the file, anywhere.
"""

import json
import math
import subprocess
from itertools import combinations
from typing import Any

from amazonpay_nb.spec.machine import NEW, Machine
from amazonpay_nb.spec.states import MACHINES
from amazonpay_nb.workbench.diagrams import BOX, LABEL_LINE, MAPS, ways
from amazonpay_nb.workbench.show.blocks import columns

CHARACTER = 7.3  # the advance of a wide 12 px system font
HEADS_APART = 18  # pixels between two arrows that come to the same side of a box
GRAPH = {"rankdir": "TB", "nodesep": 0.15, "ranksep": 0.3, "splines": "spline", "margin": 0}


def dot(machine: Machine) -> str:
    """Return a machine in Graphviz's language; sizes are pixels, written as its points."""
    lines = [f"{name}={value};" for name, value in GRAPH.items()]
    for state in (NEW, *machine.states):
        lines.append(f'"{state}" [shape=box fixedsize=true label="" width={BOX[0] / 72} height={BOX[1] / 72}];')
    for (source, target), label in ways(machine).items():
        width, height = max(map(columns, label)) * CHARACTER + 10, LABEL_LINE * len(label) + 4
        room = f'<TABLE BORDER="0" FIXEDSIZE="TRUE" WIDTH="{width:.0f}" HEIGHT="{height}"><TR><TD></TD></TR></TABLE>'
        lines.append(f'"{source}" -> "{target}" [label=<{room}> arrowsize=0.7];')
    return "digraph {" + "\n".join(lines) + "}"


def laid_out(machine: Machine) -> dict[str, Any]:
    """Return a map: its size, the middle of each state, and of each way the curve, the arrow's end and the label."""
    command = ["dot", "-Tjson"]
    made = subprocess.run(command, input=dot(machine), capture_output=True, text=True, check=True)  # noqa: S603
    graph = json.loads(made.stdout)
    _, _, width, height = map(float, graph["bb"].split(","))

    def place(text: str) -> list[int]:
        x, y = map(float, text.split(","))
        return [round(x), round(height - y)]

    names = [node["name"] for node in graph["objects"]]
    drawn = []
    for edge in graph["edges"]:
        end, *points = edge["pos"].removeprefix("e,").split(" ")
        curve = [place(point) for point in points]
        (x, y), tip = curve[-1], place(end)
        drawn.append({
            "source": names[edge["tail"]], "target": names[edge["head"]], "curve": curve,
            "end": [*tip, round(math.degrees(math.atan2(tip[1] - y, tip[0] - x)))], "label": place(edge["lp"]),
        })  # fmt: skip
    for one, other in combinations(sorted(drawn, key=lambda way: way["end"][0]), 2):
        gap = other["end"][0] - one["end"][0]
        if one["target"] == other["target"] and gap < HEADS_APART and one["end"][1] == other["end"][1]:
            for way, shift in ((one, gap - HEADS_APART), (other, HEADS_APART - gap)):
                for point in (*way["curve"][-2:], way["end"]):
                    point[0] += round(shift / 2)
    states = {node["name"]: place(node["pos"]) for node in graph["objects"]}
    return {"size": [round(width), round(height)], "states": states, "ways": drawn}


def main() -> None:
    """Write the file: a line for each state and each way."""
    maps = {name: laid_out(machine) for name, machine in MACHINES.items()}
    MAPS.write_text(json.dumps(maps, separators=(",", ":")) + "\n", "utf-8")


if __name__ == "__main__":
    main()
