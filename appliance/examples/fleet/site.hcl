# One site, in terms of its variables.

locals {
  sizes = {
    small  = { cores = 1, memory = "2GiB", cps = 20 }
    medium = { cores = 2, memory = "4GiB", cps = 100 }
    large  = { cores = 4, memory = "8GiB", cps = 200 }
  }
  size = local.sizes[var.size]

  call_seconds = 60
  ring_seconds = 8

  # Host n of the network, as an address and as an address of the card.
  length = split("/", var.network)[1]
  hosts  = concat([20], [for c in values(var.carriers) : c.host])
}

hardware {
  platform = "vm"
  memory   = local.size.memory

  cpu {
    cores            = local.size.cores
    threads_per_core = 1
  }

  nic "wan" {
    match     = { mac = var.mac }
    speed     = "1Gbps"
    queues    = 1
    addresses = [for n in local.hosts : "${cidrhost(var.network, n)}/${local.length}"]
    gateway   = cidrhost(var.network, 1)
  }
}

workload {
  cps              = local.size.cps
  concurrent_calls = local.size.cps * local.call_seconds
  call_duration    = "${local.call_seconds}s"
  ring_time        = "${local.ring_seconds}s"
}

# One listener for each carrier.
dynamic "listener" {
  for_each = var.carriers
  iterator = carrier
  labels   = ["carrier-${carrier.key}"]
  content {
    nic     = "wan"
    address = cidrhost(var.network, carrier.value.host)
    port    = carrier.value.port
    sources = [carrier.value.source]
  }
}

# The side of the voice platform.
listener "core" {
  nic     = "wan"
  address = cidrhost(var.network, 20)
  sources = ["10.0.0.0/24"]
}

# Calls in progress and ringing ones count alike, with a tenth on top.
limits {
  cps              = ceil(local.size.cps * 1.2)
  concurrent_calls = ceil(local.size.cps * (local.call_seconds + local.ring_seconds) * 1.1)
}
