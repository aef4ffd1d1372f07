"""`python -m flatphys`: the command line without the installed script."""

from flatphys.cli import app

if __name__ == "__main__":
    app(prog_name="flatphys")
