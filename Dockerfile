# Two images, both without shell and package manager: `pumpwatch` for every part (docker-compose.yml says which part a
# service runs) and `broker`, Debian's Mosquitto. A simulation and no medical device. Reasons: docs/adr/0028-images-from-scratch.md
#
# The base is any image of Debian with Python 3.11 or newer and venv; nothing of it is in the images but what is loaded.
# An index of Python packages of your own: docker build --secret id=pip,src=pip.conf

ARG BASE=python:3.12-slim

FROM ${BASE} AS build
RUN { command -v strip && command -v mosquitto && command -v mosquitto_sub; } >/dev/null \
 || { apt-get -qq update && apt-get -qq install -y --no-install-recommends binutils mosquitto mosquitto-clients >/dev/null; }
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/pumpwatch
WORKDIR /source
# Dependencies first: a change of our own code does not install them again.
COPY pyproject.toml README.md LICENSE ./
# A node of a cluster needs the client of NATS; its server is an image of its own.
RUN python3 -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
    print(*project['dependencies'], *(each for each in project['optional-dependencies']['cluster'] if 'nats-py' in each), sep='\n')" \
    >dependencies.txt
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    /build/bin/pip --python /opt/pumpwatch/bin/python install --no-cache-dir --no-compile --requirement dependencies.txt
# What never runs: source maps, development builds of scripts, what is for Jupyter, tests, type stubs, headers, languages
# that the pages do not speak, lexers of other languages than tracebacks need, classes of figures (ours are dictionaries),
# what installs packages, and debug symbols (libraries in *.libs do not survive losing them).
RUN cd /opt/pumpwatch && rm -rf share etc include && cd lib/python3*/site-packages \
 && find . -type d \( -name tests -o -name test -o -name labextension \) -prune -exec rm -rf {} + \
 && find . -type f \( -name '*.map' -o -name '*.dev.js' -o -name widgetbundle.js -o -name '*.pyi' -o -name '*.pyx' \
    -o -name '*.pxd' -o -name '*.h' -o -name '*.a' \) -delete \
 && rm -rf plotly/package_data/datasets plotly/graph_objs/*/ plotly/graph_objs/_figurewidget.py plotly/validators/*.json \
    dash_ag_grid/async-enterprise.js dash/dcc/async-mathjax.js dash/deps/react*@16.* dash/deps/react*@18.2.* \
    dash_mantine_components/async-RichTextEditor.js dash_mantine_components/async-CodeHighlight.js numpy/_core/_simd.* numpy/f2py \
    plotly/express plotly/figure_factory plotly/matplotlylib dash/*/metadata.json dash/testing numpy/_core/_*_tests.* \
    watchfiles apprise/i18n setuptools* pkg_resources _distutils_hack distutils-precedence.pth \
 && find dash/dash_table -name '*.js' -not -name bundle.js -delete \
 && find pygments/lexers -name '[a-z]*.py' -not -name 'python.py' -delete \
 && find ./babel/locale-data -type f -not \( -name 'root.dat' -o -name 'en*' -o -name 'de*' -o -name 'fr*' -o -name 'es*' \) -delete \
 && find . -type f -name '*.so' -not -path '*.libs/*' -exec strip --strip-unneeded {} +
COPY pumpwatch pumpwatch
COPY broker broker
COPY simulator simulator
COPY processor processor
COPY dashboard dashboard
COPY notifier notifier
COPY trials trials
COPY cluster cluster
COPY docs docs
COPY CONTRIBUTING.md SECURITY.md CHANGELOG.md ./
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    /build/bin/pip --python /opt/pumpwatch/bin/python install --no-cache-dir --no-compile --no-deps .
# Bytecode of all that our modules import, the standard library included: it could not be written when it runs.
RUN cd / && PYTHONPYCACHEPREFIX=/opt/pumpwatch/bytecode /opt/pumpwatch/bin/python -c "import importlib, pkgutil; \
    [importlib.import_module(found.name) for name in ('pumpwatch', 'broker', 'simulator', 'processor', 'dashboard', 'notifier', 'trials', 'cluster') \
    for found in pkgutil.walk_packages(importlib.import_module(name).__path__, name + '.')]"
COPY deploy/runtime_root.py ./
RUN python3 runtime_root.py /runtime --python --beside /opt/pumpwatch \
 && python3 runtime_root.py /runtime-broker /usr/sbin/mosquitto /usr/bin/mosquitto_sub
# A volume takes over owner and mode of the directory at which it is mounted for the first time.
RUN install -d -m 0700 /owned/data /owned/data/secrets /owned/data/secrets/broker /owned-broker/broker

FROM scratch AS broker
COPY --from=build /runtime-broker /
COPY --from=build --chown=10001:10001 /owned-broker /
USER 10001:10001
ENV PATH=/usr/sbin:/usr/bin
CMD ["mosquitto", "-c", "/run/mosquitto/mosquitto.conf"]

FROM scratch AS pumpwatch
COPY --from=build /runtime /
COPY --from=build /opt/pumpwatch /opt/pumpwatch
COPY --from=build --chown=10001:10001 /owned /
USER 10001:10001
WORKDIR /data
ENV PATH=/opt/pumpwatch/bin:/usr/local/bin:/usr/bin \
    PUMPWATCH_DATA=/data \
    PYTHONPYCACHEPREFIX=/opt/pumpwatch/bytecode \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
CMD ["pumpwatch", "--help"]
