# Trunkline: `make help` lists what can be done. Two targets matter most:
#   make image   the example spec -> plan report and bootable image
#   make test    everything CI runs
SPEC    ?= appliance/examples/edge-fra1
OUT     ?= out
BIN     := bin
SOAK    ?= 2m
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

GO      ?= go
# -trimpath and no VCS stamp: the programs are inputs of the base layer, which must be the same bytes in every checkout.
GOFLAGS_STATIC := -trimpath -buildvcs=false -ldflags="-buildid= -s -w"

.DEFAULT_GOAL := help
.PHONY: help setup build build-race image plan boot test unit sip e2e e2e-formats e2e-update powercut soak fuzz lint fmt bench bench-image bench-go dist clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  variables: SPEC=$(SPEC) OUT=$(OUT)"

setup: ## install what the tests need (Debian packages)
	ci/setup test

build: ## build trunkline, sbcd, init and sipload into bin/
	@ci/setup go
	@mkdir -p $(BIN)
	CGO_ENABLED=0 $(GO) build $(GOFLAGS_STATIC) -o $(BIN)/sbcd ./tools/sbcd
	CGO_ENABLED=0 $(GO) build $(GOFLAGS_STATIC) -o $(BIN)/init ./tools/init
	CGO_ENABLED=0 $(GO) build $(GOFLAGS_STATIC) -o $(BIN)/sipload ./tools/sipload
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags="-buildid= -X trunkline/tools/cli.version=$(VERSION)" -o $(BIN)/trunkline ./tools/trunkline

image: build ## build the image of SPEC into OUT/NAME: plan report, NAME.efi, NAME.raw
	$(BIN)/trunkline plan $(SPEC)
	$(BIN)/trunkline build $(SPEC) -o $(OUT)

plan: build ## print the sizing report of SPEC
	$(BIN)/trunkline plan $(SPEC)

boot: image ## boot the image of SPEC in QEMU and place a call through it
	$(BIN)/trunkline boot $(OUT)/$(notdir $(SPEC)) --call

test: ## run everything CI runs: lint, unit, race, SIPp, firewall, image, boot
	ci/run

unit: ## run the unit tests alone
	$(GO) test ./...

sip: build ## run the call scenarios and the SIPp flows over loopback alone
	ci/setup test
	TRUNKLINE_BIN=$(CURDIR)/$(BIN) $(GO) test -count=1 -v ./ci/e2e/sip ./ci/e2e/scenarios

e2e: image ## boot the built image and send calls through it, and all else that CI does with built programs
	ci/run sip e2e

e2e-formats: build ## boot ISO (CD-ROM and USB stick), UKI over the network (TFTP, HTTP) and qcow2, with a call through each
	ci/setup test
	TRUNKLINE_FORMATS=all TRUNKLINE_BIN=$(CURDIR)/$(BIN) $(GO) test -count=1 -timeout 30m -v -run TestFormatsBoot ./ci/e2e/outputs

e2e-update: image ## boot disks that outlive the machine: an update that fails falls back, one that works is kept (minutes; CI does it as well)
	ci/setup test
	TRUNKLINE_BIN=$(CURDIR)/$(BIN) TRUNKLINE_OUT=$(CURDIR)/$(OUT) PATH=$$PATH:/usr/sbin:/sbin $(GO) test -count=1 -timeout 90m -v ./ci/e2e/update

build-race: ## build sbcd with the race detector into bin/sbcd-race, for tests alone
	$(GO) build -race -trimpath -buildvcs=false -o $(BIN)/sbcd-race ./tools/sbcd

powercut: image ## an update, and the power cut at CUTS (20) random moments of it; the appliance must boot every time (ten minutes; SEED=N repeats a run)
	ci/setup test
	TRUNKLINE_CUTS=$(or $(CUTS),20) TRUNKLINE_SEED=$(SEED) TRUNKLINE_BIN=$(CURDIR)/$(BIN) TRUNKLINE_OUT=$(CURDIR)/$(OUT) PATH=$$PATH:/usr/sbin:/sbin $(GO) test -run TestUpdate -count=1 -timeout 90m -v ./ci/e2e/update

soak: build build-race ## two minutes at 70 % of a core while much fails; nothing may be left. RACE=1: under the race detector; RATE=calls a second
	TRUNKLINE_SOAK=$(SOAK) TRUNKLINE_SOAK_RATE=$(RATE) TRUNKLINE_SOAK_PROGRAM=$(if $(RACE),sbcd-race,sbcd) TRUNKLINE_BIN=$(CURDIR)/$(BIN) $(GO) test -count=1 -timeout 30m -v -run TestSoak ./ci/e2e/load

fuzz: ## run every fuzz target for FUZZTIME (30s), one after the other
	ci/fuzz $(FUZZ)

lint: ## gofmt, go vet, staticcheck, shellcheck
	ci/lint

fmt: ## format the Go code and the example specs
	gofmt -w appliance ci image policies proxy tools
	$(GO) run ./tools/trunkline fmt -recursive appliance/examples tools/cli/starter

bench: build ## measure sbcd beside Kamailio (CPU per call, latency, highest rate, memory) and a calibrated plan; prints ratios
	ci/setup bench
	$(GO) run ./ci/bench -bin $(BIN) $(BENCH_FLAGS)

bench-image: build ## how long one image and a fleet of FLEET (200) take, and their size, beside the limits
	ci/bench-image $(FLEET)

bench-go: ## run the Go benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./appliance/... ./policies/... ./proxy/... ./image/... ./tools/...

dist: build ## pack the three programs and the CI templates into one archive
	mkdir -p $(OUT)/dist
	tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -czf $(OUT)/dist/trunkline-linux-amd64.tar.gz \
		--transform 's,^,trunkline/,' -C $(CURDIR) $(BIN)/trunkline $(BIN)/sbcd $(BIN)/init ci/pipeline ci/github ci/gitlab ci/git LICENSE README.md
	cd $(OUT)/dist && sha256sum trunkline-linux-amd64.tar.gz | tee trunkline-linux-amd64.tar.gz.sha256

clean: ## remove bin/ and out/
	rm -rf $(BIN) $(OUT)
