# The edge of the site, as the draft wrote it.
format_version = 1 # the draft

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
  cps              = 200
  concurrent_calls = 12000 # at the peak
  call_duration    = "60s" # seconds
  ring_time        = "7.5s"
}

/* Carriers call in here. */
listener "carrier-a" {
  nic     = "wan"
  address = "203.0.113.10" # the address carriers know
  port    = 5080
  sources = ["198.51.100.0/24"]
  workers = 2 # workers of this socket
}

listener "core" {
  address = "203.0.113.11"
  sources = ["10.0.0.0/24"]
  workers = "auto" # as many as it takes
}

listener "carrier-v6" {
  address = "2001:db8::10"
  port    = 5060

  // Who may call.
  sources = ["2001:db8:5::/48"]
}
