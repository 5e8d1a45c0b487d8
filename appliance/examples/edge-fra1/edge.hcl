# The machine, what it must carry, and who may talk to it.
#
# All *.hcl files of this directory are one spec; how it is cut into files is a
# matter of taste. `trunkline validate` checks it, `trunkline plan` sizes it.

format_version = 1

# The name becomes the host name and the name of the outputs.
appliance "edge-fra1" {
  site = "fra1"
}

# The machine the appliance is sized for. A figure here is a promise: the plan
# refuses a workload that does not fit.
hardware {
  platform = "vm"
  memory   = "4GiB"

  cpu {
    cores            = 2
    threads_per_core = 1
  }

  # "wan" is what the interface is called inside the appliance; the MAC picks the card.
  nic "wan" {
    match     = { mac = "52:54:00:12:34:56" }
    speed     = "1Gbps"
    queues    = 1
    addresses = ["203.0.113.10/27", "203.0.113.11/27"]
    gateway   = "203.0.113.1"
  }
}

# What it must carry. Two axes, never one: new calls per second decide the CPU,
# calls in progress decide the memory.
workload {
  cps              = 200
  concurrent_calls = 12000
  call_duration    = "60s" # mean, answer to BYE
  ring_time        = "8s"  # mean, INVITE to its final reply
}

# Carriers call in here. `sources` is enforced twice, by the firewall and by the
# proxy: nobody else gets an answer.
listener "carrier-a" {
  nic     = "wan"
  address = "203.0.113.10"
  port    = 5060
  sources = ["198.51.100.0/24"]
}

# The side of the voice platform: calls leave from here, and the platform calls
# out through here.
listener "core" {
  nic     = "wan"
  address = "203.0.113.11"
  port    = 5060
  sources = ["10.0.0.0/24"]
}

# Beyond these a new call gets 503 with Retry-After; calls in progress go on.
# Ringing calls count too: 200 x (60 s + 8 s) = 13,600 at full load, hence 14,000.
limits {
  cps              = 240
  burst            = 240
  concurrent_calls = 14000
  retry_after      = "5s"
}

firewall {
  enabled = true
}
