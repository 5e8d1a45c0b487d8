# The machine, what it must carry, and who may talk to it.
#
# All *.hcl files of this directory are one spec. Every figure and address here is
# an example: replace it by yours, then
#
#   trunkline validate .    is it right?
#   trunkline plan .        what does it need, and what saturates first?
#   trunkline lock .        fix the versions of the packages, once
#   trunkline build .       the image
#
# `trunkline reference` prints every block and attribute there is.

format_version = 1

# The name becomes the host name and the name of the outputs.
appliance "starter" {
  site = "lab"
}

# The machine the appliance is sized for. A figure here is a promise: the plan
# refuses a workload that does not fit.
hardware {
  platform = "vm" # or "baremetal"
  memory   = "4GiB"

  cpu {
    cores            = 2
    threads_per_core = 1
  }

  # "wan" is what the interface is called inside the appliance; the MAC picks the
  # card. With one card alone it may be left out.
  nic "wan" {
    match     = { mac = "52:54:00:12:34:56" }
    speed     = "1Gbps"
    queues    = 1
    addresses = ["203.0.113.10/27", "203.0.113.11/27"]
    gateway   = "203.0.113.1"
  }
}

# What it must carry. Two axes, never one: new calls per second take CPU, calls in
# progress take memory. 200 calls per second of 60 s each are 12,000 in progress.
workload {
  cps              = 200
  concurrent_calls = 12000
  call_duration    = "60s" # mean, answer to BYE
  ring_time        = "8s"  # mean, INVITE to its final reply
}

# The side of the carrier. `sources` is who may send: the firewall and the proxy
# both enforce it, and nobody else gets an answer.
listener "carrier" {
  nic     = "wan"
  address = "203.0.113.10"
  port    = 5060
  sources = ["198.51.100.0/24"]
}

# The side of the voice platform.
listener "core" {
  nic     = "wan"
  address = "203.0.113.11"
  port    = 5060
  sources = ["10.0.0.0/24"]
}

# Beyond these a new call gets 503 with Retry-After; calls in progress go on. A
# fifth above the workload: (60 s + 8 s) x 200 are 13,600 with the ringing ones.
limits {
  cps              = 240
  burst            = 240
  concurrent_calls = 14000
  retry_after      = "5s"
}

# The ruleset is computed from the listeners and their sources.
firewall {
  enabled = true
}
