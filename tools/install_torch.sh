#!/bin/sh
# Install the pinned torch into the environment whose pip is given.
#
#   tools/install_torch.sh PYTHON VERSION
#
# The registry's wheel for Linux needs several gigabytes of CUDA packages, which a computer without
# an NVIDIA driver cannot use. There the CPU build is taken: from pip's ordinary sources when they
# have one, else from PyTorch's own index. Only when neither can be reached is the registry's wheel
# the last resort, so that set-up never breaks.
set -eu

python=$1
version=$2
cpu_index=https://download.pytorch.org/whl/cpu

has_nvidia_driver() {
    [ -e /proc/driver/nvidia/version ] || nvidia-smi >/dev/null 2>&1
}

install() {
    "$python" -m pip install --quiet --progress-bar off "$@"
}

installed=$("$python" -c 'from importlib.metadata import version; print(version("torch"))' 2>/dev/null || true)
if [ "${installed%%+*}" = "$version" ]; then
    exit 0
fi

if [ "$(uname -s)" != Linux ] || has_nvidia_driver; then
    echo "Installing torch $version"
    install "torch==$version"
    exit 0
fi

echo "No NVIDIA driver here: installing the CPU build of torch $version"
if install "torch==$version+cpu" 2>/dev/null; then
    exit 0
fi
echo "pip's ordinary sources have no CPU build of torch; trying PyTorch's own index"
if install --retries 1 --timeout 20 --index-url "$cpu_index" --no-deps "torch==$version+cpu" 2>/dev/null; then
    install "torch==$version" # what it depends on, from the ordinary sources
    exit 0
fi
echo "PyTorch's own index has no torch $version for this Python or cannot be reached;"
echo "installing the registry's build, which may bring several gigabytes of CUDA packages"
install "torch==$version"
