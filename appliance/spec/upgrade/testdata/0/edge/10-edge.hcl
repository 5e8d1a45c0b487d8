# The edge of the site, as the draft wrote it.
format_version = 0 # the draft

appliance "edge-old" {
  site = trimspace(file("site.txt"))
}

hardware {
  platform = "vm"
  memory   = "4GiB"
  cpu {
    cores = 2
  }
  nic "wan" {
    match     = { mac = "52:54:00:12:34:56" }
    addresses = ["203.0.113.10/27", "203.0.113.11/27", "2001:db8::10/64"]
    gateway   = "203.0.113.1"
  }
}

workload {
  cps           = 200
  calls         = 12000 # at the peak
  call_duration = 60    # seconds
  ring_time     = 7.5
}

/* Carriers call in here. */
listen "carrier-a" {
  nic      = "wan"
  bind     = "203.0.113.10:5080" # the address carriers know
  sources  = ["198.51.100.0/24"]
  children = 2 # workers of this socket
}

listen "core" {
  bind     = "203.0.113.11"
  sources  = ["10.0.0.0/24"]
  children = 0 # as many as it takes
}

listen "carrier-v6" {
  bind = "[2001:db8::10]:5060"

  // Who may call.
  sources = ["2001:db8:5::/48"]
}
