"""Tables on disk: a Dataset as netCDF or CSV, records likewise; a file is there whole or not at all."""

import numpy as np

from flatphys.errors import InvalidInput
from flatphys.files import replaced


def columns_of(dataset) -> tuple[list[str], list[list]]:
    """(names, columns) of a Dataset in long form: one line per point, coordinates first."""
    import xarray

    wide = xarray.broadcast(*[dataset[name] for name in (*dataset.coords, *dataset.data_vars)])
    names = [*dataset.coords, *dataset.data_vars]
    dims = list(dataset.sizes)
    return names, [array.transpose(*dims).values.ravel().tolist() for array in wide]


def save_dataset(dataset, path) -> None:
    """Write a Dataset as .nc (netCDF) or .csv (long form, a missing value is an empty cell)."""
    with replaced(path) as name:
        if str(path).endswith(".nc"):
            dataset.to_netcdf(name, engine="scipy")
        else:
            with open(name, "w", encoding="utf-8", newline="") as file:
                file.writelines(csv_lines(*columns_of(dataset)))


def csv_lines(names, columns):
    """Lines of a CSV file: numbers with all their digits, nan as an empty cell."""
    import csv
    import io

    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    for row in zip(*columns):
        writer.writerow(["" if value is None or value != value else value for value in row])
        if buffer.tell() > 1 << 16:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def save_records(records: list[dict], path) -> None:
    """Write flat dicts as .csv, or as .nc with one dimension "point"."""
    if not records:
        raise InvalidInput("there are no points to export")
    names = list(dict.fromkeys(name for record in records for name in record if name not in ("branch", "status", "message")))
    names += ["branch", "status", "message"]
    columns = [[record.get(name) for record in records] for name in names]
    with replaced(path) as name:
        if str(path).endswith(".csv"):
            with open(name, "w", encoding="utf-8", newline="") as file:
                file.writelines(csv_lines(names, columns))
            return
        import xarray

        data = {key: ("point", _array(column)) for key, column in zip(names, columns)}
        xarray.Dataset(data, attrs={"title": "points of a flatphys store"}).to_netcdf(name, engine="scipy")


def _array(column):
    """Floats with nan for what is missing, texts otherwise."""
    if any(isinstance(value, str) for value in column):
        return np.array(["" if value is None else str(value) for value in column], dtype=object)
    return np.array([np.nan if value is None else float(value) for value in column])
