"""Many points: grid, executors, store.  `flatphys.sweep` is `sweeps.driver.sweep`.

(The package is called sweeps because flatphys.sweep is the function.)

    grid          the axes of a sweep, and the model, load and options of each point (what can be asked: `flatphys.questions`)
    point         a chunk of points: values, or a status and a sentence
    continuation  minimisers of a loss, continued from anchors
    chunks        which points next, and how many
    local, worker this process and a few of its own;  remote: any executor
    collector     the thread that takes results into table, store and progress bar
    database      the file behind a store
    keys          what identifies a point in a store
    table, files  the xarray.Dataset;  tables on disk
"""
