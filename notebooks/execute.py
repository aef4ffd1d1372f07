"""Run notebooks from top to bottom in this Python and keep their outputs: `python notebooks/execute.py [notebooks/NAME.ipynb ...]`.

The files are the same in every run of one version of flatphys and matplotlib: cells are numbered, no clock times are kept.
"""

import argparse
import pathlib

import nbformat
from nbclient import NotebookClient

FOLDER = pathlib.Path(__file__).resolve().parent
LANGUAGE = {"name": "python"}  # without the versions that the kernel reports
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def notebooks() -> list[pathlib.Path]:
    """Every notebook of this folder, in order."""
    return sorted(FOLDER.glob("*.ipynb"))


def executed(path: pathlib.Path):
    """The notebook with fresh outputs, run in this folder; raises `CellExecutionError` where a cell does."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    here = {"metadata": {"path": str(FOLDER)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", record_timing=False, resources=here).execute()
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number:02d}"
        cell.metadata = {}
    notebook.cells = [merged(cell) for cell in notebook.cells]
    notebook.metadata = {"kernelspec": KERNEL, "language_info": LANGUAGE}
    return notebook


def merged(cell):
    """The cell with one output per run of text on the same stream, however the kernel cut it."""
    if cell.cell_type != "code":
        return cell
    outputs = []
    for output in cell.outputs:
        if outputs and output.output_type == "stream" and outputs[-1].output_type == "stream" and output.name == outputs[-1].name:
            outputs[-1].text += output.text
        else:
            outputs.append(output)
    cell.outputs = outputs
    return cell


def main() -> None:
    """Execute the named notebooks, by default all, in place or into another folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", nargs="*", type=pathlib.Path, help="default: every one of this folder")
    parser.add_argument("--to", type=pathlib.Path, metavar="FOLDER", help="write there instead of in place")
    options = parser.parse_args()
    for path in options.notebook or notebooks():
        nbformat.write(executed(path), options.to / path.name if options.to else path)
        print(path.name)


if __name__ == "__main__":
    main()
