"""What one experiment takes on the disk: the store, the worker's cache and the results, each file once.

    python3 benchmarks/space/measure.py [--bin FOLDER] [--user UID]

Runs a baseline and dynamic quantization of a BERT of 13 MB with the private service of `quantctl run`. A file with several
names (hard links) counts where it is met first, in the order of the rows. --user runs the programs as another user: results
are linked for users, not for root.
"""

import argparse
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "tests"))
import world as worlds


def bytes_below(folder, seen):
    total = 0
    for path in folder.rglob("*"):
        info = path.lstat()
        if path.is_file() and not path.is_symlink() and info.st_ino not in seen:
            seen.add(info.st_ino)
            total += info.st_blocks * 512
    return total


def give_to(user, folder):
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, user, user)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=worlds.BIN)
    parser.add_argument("--user", type=int)
    options = parser.parse_args()
    worlds.BIN = options.bin.resolve()
    with worlds.World(worlds.EXPERIMENT.replace("epochs: 4", "epochs: 1")) as world:
        (world.folder / "model").rename(world.folder / "small")
        worlds.make_model(world.folder / "model", hidden=256, layers=4, heads=4, inner=1024)
        if options.user is not None:
            give_to(options.user, world.folder)
        switch = {} if options.user is None else {"user": options.user, "group": options.user, "extra_groups": []}
        # So that the worker has stopped, and its attempt's folder is gone.
        done = subprocess.run(world.command("run", world.experiment), env=world.environment(), cwd=world.folder, text=True,
                              capture_output=True, **switch)
        if done.returncode != 0:
            sys.exit(done.stderr)
        seen, total = set(), 0
        for what, folder in (("store", world.data / "coordinator" / "artifacts"), ("worker's cache", world.data / "worker"),
                             ("rest of the service", world.data), ("results", world.results)):
            size = bytes_below(folder, seen)
            total += size
            print(f"{what:22}{size / 1e6:8.1f} MB")
        print(f"{'together':22}{total / 1e6:8.1f} MB")


if __name__ == "__main__":
    main()
