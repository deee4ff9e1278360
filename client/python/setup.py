"""Generates quantlab.v1 from proto/ while the package is built, so that no generated code is kept."""

import pathlib
import re
import shutil
from importlib import metadata, resources

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent


def proto_root():
    """proto/ of a source distribution, else of the source tree."""
    packed = HERE / "proto"
    return packed if packed.is_dir() else PROJECT / "proto"


def generate(target):
    from grpc_tools import protoc

    root = proto_root()
    files = sorted(str(path.relative_to(root)) for path in root.glob("quantlab/v1/*.proto"))
    well_known = resources.files("grpc_tools") / "_proto"
    target.mkdir(parents=True, exist_ok=True)
    code = protoc.main(["protoc", f"-I{root}", f"-I{well_known}", f"--python_out={target}",
                        f"--grpc_python_out={target}", *files])
    if code != 0 or not files:
        raise RuntimeError(f"cannot generate Python code from {root}: protoc ended with {code}")
    (target / "quantlab" / "v1" / "__init__.py").write_text('"""Messages and stubs, generated from proto/."""\n')


class BuildWithProtos(build_py):
    def run(self):
        super().run()
        generate(HERE / "src" if self.editable_mode else pathlib.Path(self.build_lib))


class PackProtos(sdist):
    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        shutil.copytree(proto_root(), pathlib.Path(base_dir) / "proto", dirs_exist_ok=True,
                        ignore=lambda folder, names: [n for n in names if n.endswith((".cc", ".h", ".txt"))])


def version():
    """The project's, as CMake has it."""
    cmake = PROJECT / "CMakeLists.txt"
    text = (cmake if cmake.exists() else HERE / "PKG-INFO").read_text(encoding="utf-8")
    return re.search(r"^(?:project\(quantlab VERSION|Version:) ([\d.]+)", text, re.MULTILINE).group(1)


def dependencies():
    """Generated code wants libraries that are not older than its generator."""
    tools = metadata.version("grpcio-tools")
    protobuf = [line.split(";")[0] for line in metadata.requires("grpcio-tools") if line.startswith("protobuf")]
    return [f"grpcio>={tools}", *protobuf, "pandas>=1.5", "PyYAML>=6"]


setup(version=version(), install_requires=dependencies(),
      cmdclass={"build_py": BuildWithProtos, "sdist": PackProtos})
