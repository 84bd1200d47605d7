# The image of scheduler, worker, runner and web. docker-compose.yml starts them; README.md, "On a cluster".
ARG PYTHON=3.11.15-slim-trixie

FROM python:${PYTHON} AS build
# Where torch comes from besides PyPI, whose own builds bring gigabytes of CUDA. The CPU's build of the version in
# constraints.txt (2.13.0+cpu there) counts as the newer one, so pip takes it. An index of CUDA builds makes an image
# for GPUs.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# Without pip: nothing is installed later. What is needed to build stays with this stage's own Python.
RUN python -m venv --without-pip /opt/sweep
COPY pyproject.toml constraints.txt ./
# Dependencies by themselves: they change rarely, and are nearly all of the image. What only developers of torch and of
# the others need goes again, a third of it all: tests, headers, programs (but the one that torch looks for).
RUN python -c 'import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(*project["dependencies"], *project["optional-dependencies"]["postgres"], *project["optional-dependencies"]["onnx"], sep="\n")' > requirements.txt \
    && pip --python /opt/sweep/bin/python install --no-compile --extra-index-url "${TORCH_INDEX}" -c constraints.txt -r requirements.txt \
    && pip install -c constraints.txt hatchling \
    && cd /opt/sweep/lib/python3.*/site-packages \
    && find . -type d -name tests -prune -exec rm -r {} + \
    && rm -rf torch/include torch/test \
    && find torch/bin -type f ! -name torch_shm_manager -delete
COPY README.md LICENSE ./
COPY dashboards dashboards
COPY studies studies
COPY sweep sweep
# Bytecode of what is imported, for nothing can be written later: a quarter of that of all files.
RUN pip wheel --no-deps --no-build-isolation -c constraints.txt -w dist . \
    && pip --python /opt/sweep/bin/python install --no-compile --no-deps -c constraints.txt dist/*.whl \
    && cd / && /opt/sweep/bin/python -c 'import importlib, pkgutil, sweep; [importlib.import_module(module.name) for module in pkgutil.walk_packages(sweep.__path__, "sweep.") if "migrations" not in module.name]; import distributed.cli.dask_scheduler, distributed.cli.dask_worker, psycopg'

FROM python:${PYTHON}
# Not root. A number, so that whoever runs it can tell; a name, for what looks its own up.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin sweep
COPY --from=build /opt/sweep /opt/sweep
# All that is ever written lies in /tmp: compiled passes (some hundred kB, made again in a few seconds), downloaded
# tables, Dask's scratch space. So the rest can be mounted read-only.
ENV PATH=/opt/sweep/bin:$PATH \
    HOME=/tmp \
    NUMBA_CACHE_DIR=/tmp/numba \
    SWEEP_CACHE=/tmp/sweep \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /work
USER 10001:10001
CMD ["sweep", "--help"]
