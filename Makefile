# make lab    set everything up and open the course in JupyterLab
# make test   set everything up and run every test
.POSIX:
.PHONY: help lab soak test env test-env site-env bench-env lint notebooks site dist bench bpf

BIN = .venv/bin
ARGS =

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

lab: env
	@$(BIN)/python tools/lab.py $(ARGS)

test: test-env
	@$(BIN)/python -m tests $(ARGS)

# make env        set up .venv with both kernels; open nothing
env:
	@tools/env.sh lab

test-env:
	@tools/env.sh test

site-env:
	@tools/env.sh site

bench-env:
	@tools/env.sh bench

# make lint       ruff (code and notebooks) and mypy
lint: test-env
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# make notebooks  run every chapter again and write its outputs
notebooks: test-env
	@$(BIN)/python tools/notebooks.py $(ARGS)

# make site       build the site from the recorded chapters, into docs/_build/html
site: site-env
	@$(BIN)/python tools/site.py $(ARGS)

# make dist       build what is published, into dist: the wheel and the notebooks
dist: test-env
	@$(BIN)/python tools/dist.py $(ARGS)

# make bpf        compile the eBPF programs again; only who changes them needs that, and clang 14
bpf: env
	@$(BIN)/python tools/bpf.py $(ARGS)

# make bench      the benchmarks, one after another
bench: bench-env
	@for one in benchmarks/[a-z]*.py; do echo "== $$one"; $(BIN)/python $$one || exit 1; done

# make soak       the robustness run: kill -9 while chapters run, damaged input; ARGS="--minutes 10" for each part
soak: test-env
	@$(BIN)/python -m tests.soak $(ARGS)
