"""The client against the real coordinator, without a worker: nothing of this needs LibTorch."""

import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import unittest
from unittest import mock

import worlds
from worlds import Coordinator

import quantlab
from quantlab import calls, files
from quantlab.v1 import experiment_pb2


@unittest.skipUnless((worlds.BIN / "quant-coordinator").exists(), "quant-coordinator is not built")
class CoordinatorTest(unittest.TestCase):
    def setUp(self):
        self.world = worlds.world.World()
        self.addCleanup(self.world.close)
        self.folder = self.world.folder
        self.coordinator = Coordinator(self.folder).start()
        self.addCleanup(self.coordinator.kill)
        self.lab = quantlab.connect(self.coordinator.address, first_patience=60)
        self.addCleanup(self.lab.close)
        before = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, before)

    def submit(self, **options):
        return self.lab.submit(self.world.experiment, **options)

    def test_a_file_is_submitted_with_the_inputs_that_it_names(self):
        experiment = self.submit()
        self.assertTrue(experiment.id.startswith("tiny-"))
        self.assertEqual(experiment.state, "ACTIVE")
        info = experiment.info()
        self.assertEqual([run.config.run_name for run in info.runs], ["baseline", "dynamic_quantization", "comparison"])
        self.assertEqual(sorted(f.path for f in info.runs[0].config.model.files),
                         ["config.json", "model.safetensors", "vocab.txt"])

    def test_a_dict_is_an_experiment_too(self):
        experiment = self.lab.submit(worlds.EXPERIMENT)
        runs = experiment.runs()
        self.assertEqual(len(runs), 4)
        self.assertEqual(set(runs.param_granularity.dropna()), {"per_token", "per_tensor"})
        self.assertEqual(set(runs.state), {"QUEUED", "PENDING"})
        self.assertEqual(runs.seed.tolist(), [11] * 4)
        self.assertTrue(experiment.metrics().empty)
        self.assertTrue(experiment.layers().empty)

    def test_included_files_travel_along(self):
        self.world.write("more.yaml", "include: tiny.yaml\nname: more\nseed: 12\n")
        experiment = self.lab.submit("more.yaml", only=["baseline"])
        self.assertEqual([f.name for f in experiment.info().files], ["more.yaml", "tiny.yaml"])
        self.assertEqual(experiment.runs().seed.tolist(), [12])

    def test_the_same_request_id_gives_the_same_experiment(self):
        first = self.submit(request_id="once")
        self.assertEqual(self.submit(request_id="once").id, first.id)
        self.assertNotEqual(self.submit().id, first.id)
        self.assertEqual(len(self.lab.experiments()), 2)

    def test_what_is_wrong_with_a_file_is_said_with_its_place(self):
        self.world.write("bad.yaml", "experiments:\n  baseline: {modl: x}\n")
        with self.assertRaises(quantlab.InvalidExperiment) as caught:
            self.lab.submit("bad.yaml")
        self.assertEqual(caught.exception.diagnostics[0].line, 2)
        self.assertIn("bad.yaml:2:", str(caught.exception))
        self.assertEqual(len(self.lab.experiments()), 0)

    def test_missing_inputs_are_named_with_a_remedy(self):
        bad = dict(worlds.EXPERIMENT, experiments={"baseline": {"model": "./none", "dataset": "./reviews.csv"}})
        with self.assertRaisesRegex(quantlab.NotFound, "none.*assets="):
            self.lab.submit(bad)
        self.assertTrue(self.lab.submit(bad, assets={"./none": self.folder / "model"}).id)

    def test_experiments_are_found_by_a_beginning_of_their_name(self):
        with self.assertRaises(quantlab.NotFound):
            self.lab.get()
        first, second = self.submit(), self.submit()
        self.assertEqual(self.lab.get().id, second.id)
        self.assertEqual(self.lab.get(first.id[:-1]).id, first.id)
        with self.assertRaises(quantlab.InvalidInput):
            self.lab.get("tiny")
        with self.assertRaises(quantlab.NotFound):
            self.lab.get("nothing")
        listed = self.lab.experiments(state="active")
        self.assertEqual(listed.experiment.tolist(), [second.id, first.id])
        self.assertEqual(str(listed.created.dt.tz), "UTC")

    def test_errors_have_types_and_reasons(self):
        missing = quantlab.Experiment(self.lab, "none-000000")
        with self.assertRaises(quantlab.NotFound) as caught:
            missing.info()
        self.assertNotEqual(caught.exception.reason, "")
        with self.assertRaises(quantlab.NotFound):
            missing.explain("baseline")
        with self.assertRaises(quantlab.NotFound):
            self.submit().download("baseline/model")

    def test_waiting_ends_with_the_experiment_and_says_what_failed(self):
        experiment = self.submit()
        seen = []
        experiment.cancel(reason="enough")
        experiment.wait(progress=seen.append, check=False)
        self.assertEqual(seen[-1].WhichOneof("change"), "experiment_state")
        self.assertEqual([c.sequence for c in seen], sorted({c.sequence for c in seen}))
        with self.assertRaisesRegex(quantlab.ExperimentFailed, "is CANCELLED: baseline CANCELLED: .*enough") as caught:
            experiment.wait()
        self.assertEqual(caught.exception.experiment.id, experiment.id)

    def test_waiting_goes_on_after_a_retry(self):
        experiment = self.submit()
        experiment.cancel()
        experiment.wait(check=False)
        self.assertEqual(list(experiment.watch(after=10**9)), [], "nothing is left to come")
        experiment.retry()
        self.assertEqual(experiment.state, "ACTIVE")
        # Its first end is among the changes, and is not the last.
        with self.assertRaises(quantlab.DeadlineExceeded):
            experiment.wait(timeout=1)
        experiment.cancel()
        seen = []
        experiment.wait(progress=seen.append, check=False)
        self.assertEqual([c.WhichOneof("change") for c in seen].count("experiment_state"), 3, "ended, active, ended")

    def test_waiting_goes_on_when_the_coordinator_is_killed_and_started_again(self):
        experiment = self.submit()
        changes, ended = [], threading.Event()
        watched = threading.Event()

        def follow():
            for change in experiment.watch():
                changes.append(change)
                watched.set()
            ended.set()

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        self.assertTrue(watched.wait(60))
        self.coordinator.kill()
        self.coordinator.start()
        experiment.cancel()
        self.assertTrue(ended.wait(60))
        thread.join()
        sequences = [change.sequence for change in changes]
        self.assertEqual(sequences, sorted(set(sequences)), "each once, in order")
        self.assertEqual(experiment.state, "CANCELLED")

    def test_waiting_may_have_a_limit(self):
        with self.assertRaisesRegex(quantlab.DeadlineExceeded, r"within 0\.2 s"):
            self.submit().wait(timeout=0.2)

    def test_methods_catalogue_and_workers_are_told(self):
        self.assertIn("dynamic_quantization", [method.name for method in self.lab.methods()])
        self.assertIn("imdb", self.lab.catalog().name.tolist())
        self.assertEqual(self.lab.workers(), [])

    def test_explain_says_why_a_run_waits(self):
        self.assertIn("baseline", self.submit().explain("comparison")[0])


class ConnectTest(unittest.TestCase):
    """Which coordinator is chosen. None of them is there: a client calls nobody before it is asked something."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        environment = {"HOME": folder.name, "XDG_CONFIG_HOME": "", "QUANTLAB_CONFIG": "", "QUANTLAB_COORDINATOR": ""}
        patch = mock.patch.dict(os.environ, environment)
        patch.start()
        self.addCleanup(patch.stop)

    def write(self, text, name=".config/quantlab/config.yaml"):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    def chosen(self, *arguments):
        with quantlab.connect(*arguments, service={"quantctl": "none/quantctl"}) as lab:
            return lab.address

    def test_an_address_goes_before_the_environment_and_that_before_the_settings_file(self):
        self.write("data_dir: /data\ncoordinator: unix:/file\n")
        self.assertEqual(self.chosen(), "unix:/file")
        os.environ["QUANTLAB_COORDINATOR"] = "unix:/environment"
        self.assertEqual(self.chosen(), "unix:/environment")
        self.assertEqual(self.chosen("unix:/given"), "unix:/given")

    def test_settings_files_are_found_where_quantctl_finds_them(self):
        self.write("coordinator: unix:/home\n")
        os.environ["XDG_CONFIG_HOME"] = "relative"
        self.assertEqual(self.chosen(), "unix:/home")
        self.write("coordinator: unix:/xdg\n", "xdg/quantlab/config.yaml")
        os.environ["XDG_CONFIG_HOME"] = str(self.folder / "xdg")
        self.assertEqual(self.chosen(), "unix:/xdg")
        os.environ["QUANTLAB_CONFIG"] = self.write("coordinator: unix:/named\n", "named.yaml")
        self.assertEqual(self.chosen(), "unix:/named")

    def test_without_a_configured_one_a_service_of_ones_own_is_started(self):
        for text in (None, "", "data_dir: /data\n", "coordinator: ''\n"):
            with self.subTest(text=text), self.assertRaisesRegex(quantlab.NotFound, "none/quantctl"):
                if text is not None:
                    self.write(text)
                self.chosen()

    def test_settings_that_cannot_be_read_are_named(self):
        for text in ("coordinator: [", "coordinator: {a: b}\n", b"coordinator: \xff\n", "coordinator: 7420\n"):
            with self.subTest(text=text), self.assertRaises(quantlab.InvalidInput):
                self.write(text)
                self.chosen()
        os.environ["QUANTLAB_CONFIG"] = str(self.folder / "none.yaml")
        with self.assertRaisesRegex(quantlab.InvalidInput, "none.yaml"):
            self.chosen()


class WithoutCoordinatorTest(unittest.TestCase):
    def test_nobody_there_is_unavailable_and_names_the_address(self):
        with quantlab.connect("unix:/tmp/quantlab-nobody.sock", first_patience=0) as lab:
            with self.assertRaisesRegex(quantlab.Unavailable, "no coordinator answers at unix:/tmp/quantlab-nobody"):
                lab.experiments()

    def test_a_coordinator_that_never_answers_meets_the_deadline(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            address = "127.0.0.1:%d" % silent.getsockname()[1]
            with quantlab.connect(address, timeout=0.2, first_patience=0) as lab:
                with self.assertRaises(quantlab.Unavailable):
                    lab.methods()

    def test_addresses_are_checked(self):
        for address, error in (("nonsense", quantlab.InvalidInput), ("unix:relative", quantlab.InvalidInput),
                               ("10.1.1.1:80", quantlab.Conflict), ("127.0.0.1.example.org:80", quantlab.Conflict)):
            with self.subTest(address=address), self.assertRaises(error):
                calls.check_address(address)
        self.assertEqual(calls.check_address("unix:///run/q.sock"), "unix:/run/q.sock")

    def test_a_token_signs_in_over_tls_and_streams_take_it_too(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            quantctl = [worlds.BIN / "quantctl"]
            subprocess.run([*quantctl, "-q", "admin", "init-ca", "--dir", folder / "tls", "--host", "127.0.0.1"], check=True)
            process = subprocess.Popen(
                [worlds.BIN / "quant-coordinator", "--data-dir", folder / "data", "--listen", "127.0.0.1:0", "--tls-cert",
                 folder / "tls/server.crt", "--tls-key", folder / "tls/server.key", "--catalog",
                 worlds.ROOT / "configs/catalog.yaml", "--metrics-listen", "off", "--log-level", "error"],
                stdout=subprocess.PIPE, text=True)
            try:
                address = process.stdout.readline().split()[1]
                token = folder / "token"
                subprocess.run([*quantctl, "-q", "--coordinator", f"unix:{folder}/data/coordinator.sock", "admin", "add-user",
                                "alice", "--out", token], check=True)
                options = {"token_file": token, "ca_file": folder / "tls/ca.crt", "first_patience": 0}
                with quantlab.connect(address, **options) as lab:
                    experiment = lab.submit({"experiments": {"baseline": {"model": "minilm", "dataset": "imdb"}},
                                             "evaluation": {"metrics": ["accuracy"]}})
                    experiment.cancel()
                    self.assertGreater(len(list(experiment.watch())), 0)
                with quantlab.connect(address, **{**options, "token_file": None}) as lab:
                    with self.assertRaisesRegex(quantlab.NotAllowed, "requires a token"):
                        lab.methods()
                with self.assertRaises(quantlab.Conflict):
                    quantlab.connect("10.1.1.1:80", token_file=token)
                token.chmod(0o644)
                with self.assertRaisesRegex(quantlab.NotAllowed, "chmod 600"):
                    quantlab.connect(address, **options)
            finally:
                process.terminate()
                process.wait(timeout=30)
                process.stdout.close()

    def test_a_program_that_is_missing_is_named(self):
        with self.assertRaisesRegex(quantlab.NotFound, "none/quantctl"):
            quantlab.local(quantctl="none/quantctl")

    def test_calls_that_change_something_anew_are_not_repeated(self):
        asked = []

        def call(request, timeout):
            asked.append(timeout)
            raise Refused()

        caller = calls.Caller("here", timeout=5, patience=60, first_patience=60)
        with self.assertRaises(quantlab.Unavailable):
            caller.unary(call, None, repeatable=False)
        self.assertEqual(asked, [5])

    def test_model_folders_give_the_same_files_as_with_quantctl(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name in ("config.json", "model.safetensors", "sub/vocab.txt", "pytorch_model.bin", ".git/config.json"):
                (root / name).parent.mkdir(exist_ok=True)
                (root / name).write_text(name)
            required = experiment_pb2.RequiredInput(name="m", path=folder, role="model")
            with self.assertRaisesRegex(quantlab.InvalidInput, "lacks tokenizer.json; a model is a folder"):
                files.find_asset(required, root, {})
            (root / "tokenizer.json").write_text("{}")
            provided, paths = files.find_asset(required, root, {})
            self.assertEqual([f.path for f in provided.files],
                             ["config.json", "model.safetensors", "sub/vocab.txt", "tokenizer.json"])
            self.assertEqual(len(paths), 4)
            (root / "model.safetensors").unlink()
            provided, paths = files.find_asset(required, root, {})
            self.assertIn("pytorch_model.bin", [f.path for f in provided.files])


class RetriedTest(unittest.TestCase):
    """Waiting for an experiment that somebody queued again after it had failed."""

    def test_the_last_change_of_a_stream_decides(self):
        service = FakeService([["FAILED", "ACTIVE", "SUCCEEDED"]], ["SUCCEEDED"])
        seen = []
        service.experiment().wait(progress=seen.append)
        self.assertEqual([change.sequence for change in seen], [1, 2, 3])
        self.assertEqual(service.asked, [0])

    def test_a_retry_after_the_stream_has_ended_is_waited_for(self):
        for check in (True, False):
            with self.subTest(check=check):
                service = FakeService([["FAILED"], ["ACTIVE", "SUCCEEDED"]], ["ACTIVE", "SUCCEEDED"])
                service.experiment().wait(check=check)
                self.assertEqual(service.asked, [0, 1], "each change once")

    def test_what_fails_again_has_failed(self):
        service = FakeService([["FAILED", "ACTIVE", "FAILED"]], ["FAILED"])
        with self.assertRaisesRegex(quantlab.ExperimentFailed, "e-1 is FAILED"):
            service.experiment().wait()


class FakeService:
    """Answers with these streams of an experiment's states, and with the state that it has after each."""

    def __init__(self, streams, states):
        self.experiment_service = self
        self.caller = calls.Caller("here", timeout=5, patience=0, first_patience=0)
        self.asked = []
        self._streams, self._states = list(streams), list(states)
        self._sequence = 0

    def experiment(self):
        return quantlab.Experiment(self, "e-1")

    def call(self, method, request):
        return method(request)

    def GetExperiment(self, request):
        return experiment_pb2.Experiment(id=request.id, state=f"EXPERIMENT_STATE_{self._states.pop(0)}")

    def WatchExperiment(self, request, timeout):
        self.asked.append(request.after_sequence)
        return FakeStream(map(self._change, self._streams.pop(0)))

    def _change(self, state):
        self._sequence += 1
        return experiment_pb2.WatchExperimentResponse(sequence=self._sequence,
                                                      experiment_state=f"EXPERIMENT_STATE_{state}")


class FakeStream(tuple):
    def cancel(self):
        pass


class Refused(calls.grpc.RpcError):
    """A call that no coordinator answered."""

    def code(self):
        return calls.grpc.StatusCode.UNAVAILABLE

    def details(self):
        return "connection refused"

    def trailing_metadata(self):
        return ()


if __name__ == "__main__":
    unittest.main()
