"""Ways to a coordinator: the configured one, or a service of one's own."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import yaml

from quantlab import errors
from quantlab.client import Client

# Of quantctl's exit codes (quantctl help exit-codes), those that say what is wrong with a service.
_EXIT = {2: errors.InvalidInput, 3: errors.InvalidInput, 4: errors.NotFound, 5: errors.Unavailable,
         7: errors.Conflict, 8: errors.ResourceExhausted, 9: errors.NotAllowed}


def connect(address=None, service=None, **options):
    """A client of the coordinator at `address`, else of the one that QUANTLAB_COORDINATOR or the settings file
    names, else of a service of one's own: as quantctl chooses.

    `service`: options of `local` for that service, a dict; `options` are those of `Client`. Errors: InvalidInput
    the settings file cannot be read.
    """
    address = address or os.environ.get("QUANTLAB_COORDINATOR") or _configured()
    if address:
        options.setdefault("token_file", os.environ.get("QUANTLAB_TOKEN_FILE") or None)
        options.setdefault("ca_file", os.environ.get("QUANTLAB_CA_FILE") or None)
    return Client(address, **options) if address else local(**(service or {}), **options)


def _configured():
    """The settings file's `coordinator`; empty where it names none. What else is wrong there, quantctl says."""
    named = os.environ.get("QUANTLAB_CONFIG")
    home = os.environ.get("XDG_CONFIG_HOME", "")
    if not home.startswith("/"):
        home = os.path.expanduser("~/.config")
    path = pathlib.Path(named or os.path.join(home, "quantlab", "config.yaml"))
    if not named and not path.is_file():
        return ""
    try:
        # Every value is a text to quantctl: BaseLoader makes no numbers and dates of them.
        settings = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise errors.InvalidInput(f"the settings file {path}: {error}") from error
    coordinator = settings.get("coordinator", "") if isinstance(settings, dict) else ""
    if not isinstance(coordinator, str):
        raise errors.InvalidInput(f"the settings file {path}: 'coordinator' must be one text")
    return coordinator


def local(data_dir=None, worker=True, quantctl=None, catalog=None, environment=None, **options):
    """A client of a service of one's own, as quantctl starts it: it ends with the client (or with this
    process, however that ends) unless somebody else uses it.

    `data_dir`: where its experiments are kept; the one of quantctl where it is left out. `quantctl`: the program,
    else the one in PATH. `worker`: whether runs are computed. `environment`: variables for the service besides
    this process's own. Errors: NotFound the program is missing; Unavailable it does not start.
    """
    service = _Service(_command(data_dir, worker, quantctl, catalog), environment)
    try:
        options.setdefault("first_patience", 30)
        return Client(service.address, on_close=service.close, **options)
    except BaseException:
        service.close()
        raise


def _command(data_dir, worker, quantctl, catalog):
    program = quantctl or shutil.which("quantctl")
    if program is None:
        raise errors.NotFound("quantctl is not in PATH; add its folder (build/release/bin of a source tree), or name "
                              "it with quantctl=…")
    command = [str(program), "serve", "-o", "json", "--quiet", "--until-eof"]
    if data_dir is not None:
        command += ["--data-dir", os.fspath(data_dir)]
    if catalog is not None:
        command += ["--catalog", os.fspath(catalog)]
    return command if worker else command + ["--no-worker"]


class _Service:
    """`quantctl serve` as a child: it lives as long as its standard input is open."""

    def __init__(self, command, environment):
        variables = {k: v for k, v in os.environ.items() if k != "QUANTLAB_COORDINATOR"}
        variables.update(environment or {})
        self._errors = tempfile.TemporaryFile()
        try:
            # A session of its own: an interrupt that is meant for a notebook's cell does not end it.
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                             stderr=self._errors, env=variables, start_new_session=True)
        except OSError as error:
            self._errors.close()
            raise errors.NotFound(f"cannot run {command[0]}: {error}") from error
        self.address = self._read_address()

    def _read_address(self):
        text = b""
        while line := self._process.stdout.readline():
            text += line
            if line == b"}\n":
                return json.loads(text)["address"]
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip()
        self.close()
        raise _EXIT.get(code, errors.InternalError)(said or f"quantctl serve ended with {code}")

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()
