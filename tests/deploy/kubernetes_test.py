"""The manifests agree with the API's schemas (strictly: no unknown field), with the restricted pod security standard, with
each other and with the programs' options.

The schemas are in the PyPI package kubernetes-validate (tests/requirements.txt); without it only the rest is checked.
PodMonitor is a custom resource, whose schema that package does not have.
"""

import pathlib
import re
import subprocess
import sys
import unittest

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import world as worlds

FOLDER = worlds.ROOT / "deploy/kubernetes"
VERSION = "1.37"
OTHER_KINDS = {"Kustomization", "PodMonitor"}


def documents():
    for path in sorted(FOLDER.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            yield path.name, document


def pods():
    """name -> pod template"""
    return {document["metadata"]["name"]: document["spec"]["template"] for _, document in documents()
            if document["kind"] in ("Deployment", "StatefulSet")}


def named(kind, name):
    return next(document for _, document in documents()
                if document["kind"] == kind and document["metadata"]["name"] == name)


class ManifestTest(unittest.TestCase):
    def test_the_schemas_accept_every_manifest(self):
        try:
            import kubernetes_validate
        except ImportError:
            self.skipTest("kubernetes-validate is missing; run scripts/setup.sh --tests")
        checked = 0
        for name, document in documents():
            if document["kind"] not in OTHER_KINDS:
                kubernetes_validate.validate(document, VERSION, strict=True)
                checked += 1
        self.assertGreater(checked, 10)
        broken = {**named("StatefulSet", "quantlab-worker"), "replicas": 1}
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(broken, VERSION, strict=True)

    def test_kustomization_lists_every_manifest(self):
        kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
        self.assertEqual(sorted(kustomization["resources"]),
                         sorted(path.name for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml"))
        images = {image["name"] for image in kustomization["images"]}
        used = {container["image"] for pod in pods().values()
                for container in [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]}
        self.assertEqual(images, used)

    def test_pods_keep_to_the_restricted_standard(self):
        self.assertEqual(set(pods()), {"quantlab-coordinator", "quantlab-worker", "quantlab-autoscaler"})
        for name, pod in pods().items():
            security = pod["spec"]["securityContext"]
            self.assertTrue(security["runAsNonRoot"], name)
            self.assertEqual(security["seccompProfile"], {"type": "RuntimeDefault"}, name)
            for container in [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]:
                self.assertEqual(container["securityContext"],
                                 {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                  "capabilities": {"drop": ["ALL"]}}, f"{name}: {container['name']}")
                self.assertIn("memory", container["resources"]["limits"], f"{name}: {container['name']}")

    def test_names_of_one_manifest_exist_in_another(self):
        for name, pod in pods().items():
            volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
            claims = next((document["spec"].get("volumeClaimTemplates", []) for _, document in documents()
                           if document["kind"] == "StatefulSet" and document["metadata"]["name"] == name), [])
            known = set(volumes) | {claim["metadata"]["name"] for claim in claims}
            for container in [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]:
                for mount in container.get("volumeMounts", ()):
                    self.assertIn(mount["name"], known, name)
            for volume in volumes.values():
                if "configMap" in volume:
                    named("ConfigMap", volume["configMap"]["name"])
        for _, document in documents():
            if document["kind"] == "StatefulSet":
                named("Service", document["spec"]["serviceName"])
        monitor = named("PodMonitor", "quantlab-coordinator")
        ports = {port["name"] for container in pods()["quantlab-coordinator"]["spec"]["containers"]
                 for port in container["ports"]}
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        self.assertIn(endpoint["port"], ports)
        # Else QuantlabDown would watch a job that does not exist.
        jobs = {each["replacement"] for each in endpoint["relabelings"] if each["targetLabel"] == "job"}
        self.assertEqual(jobs, {"quantlab"})
        rules = (worlds.ROOT / "deploy/prometheus/quantlab.rules.yml").read_text(encoding="utf-8")
        self.assertIn('up{job="quantlab"}', rules)

    def test_the_autoscaler_may_change_only_the_number_of_workers(self):
        self.assertEqual(named("Role", "quantlab-autoscaler")["rules"],
                         [{"apiGroups": ["apps"], "resources": ["statefulsets/scale"],
                           "resourceNames": ["quantlab-worker"], "verbs": ["get", "patch"]}])
        (container,) = pods()["quantlab-autoscaler"]["spec"]["containers"]
        arguments = container["command"][1:]
        program = worlds.ROOT / "deploy/autoscaler/quantlab_autoscaler.py"
        check = f"import sys; sys.path.insert(0, {str(program.parent)!r}); import quantlab_autoscaler as a; a.parse(sys.argv[1:])"
        subprocess.run([sys.executable, "-c", check, *arguments], check=True, timeout=60)
        named("StatefulSet", arguments[arguments.index("--statefulset") + 1])

    def test_workers_have_time_to_give_their_run_back(self):
        settings = yaml.safe_load(named("ConfigMap", "quantlab-worker")["data"]["worker.yaml"])
        self.assertGreater(pods()["quantlab-worker"]["spec"]["terminationGracePeriodSeconds"], settings["grace"])

    def test_the_settings_are_options_of_the_programs(self):
        for name in ("coordinator", "worker"):
            program = worlds.BIN / f"quant-{name}"
            if not program.exists():
                self.skipTest(f"{program} is not built")
            settings = yaml.safe_load(named("ConfigMap", f"quantlab-{name}")["data"][f"{name}.yaml"])
            options = set(re.findall(r"--([a-z-]+)", subprocess.run([program, "--help"], stdout=subprocess.PIPE,
                                                                    text=True, timeout=60).stdout))
            for key in settings:
                self.assertIn(key.replace("_", "-"), options)


if __name__ == "__main__":
    unittest.main()
