# Every kind of interface, and what the network beyond the neighbours needs.
format_version = 1

appliance "edge-net1" {}

hardware {
  platform = "vm"
  memory   = "4GiB"
  dns      = ["10.0.9.53", "2001:db8:9::53", "10.8.0.53"]
  ntp      = ["10.0.9.123", "NTP.example.net."]

  cpu {
    cores = 2
  }

  disk "system" {
    match = { path = "/dev/disk/by-id/virtio-system" }
    size  = "8GiB"
  }

  # Two cards to the carriers, as one: the switch speaks LACP.
  dynamic "nic" {
    for_each = { wan0 = "56", wan1 = "57" }
    labels   = [nic.key]
    content {
      match = { mac = "52:54:00:12:34:${nic.value}" }
      speed = "10Gbps"
    }
  }
  bond "wan" {
    members = ["wan0", "wan1"]
    mtu     = 9000
  }
  vlan "carriers" {
    parent    = "wan"
    id        = 100
    addresses = ["203.0.113.10/27", "2001:db8::10/64"]
    gateways  = ["203.0.113.1", "fe80::1"]
  }
  vlan "peers" {
    parent    = "wan"
    id        = 4094
    mtu       = 1500
    addresses = ["192.0.2.10/28"]
  }

  # Towards the voice platform any switch will do.
  nic "lan0" {
    match = { mac = "52:54:00:12:34:58" }
    mtu   = 1400 # as the bond
  }
  nic "lan1" {
    match = { mac = "52:54:00:12:34:59" }
  }
  bond "lan" {
    members   = ["lan1", "lan0"]
    mode      = "active-backup"
    mtu       = 1400
    addresses = ["10.0.0.10/24"]
  }

  # A card of its own for operations, tagged and untagged.
  nic "mgmt" {
    match      = { mac = "52:54:00:12:34:60" }
    addresses  = ["10.0.9.10/24", "2001:db8:9::10/64"]
    management = true
  }
  vlan "backup" {
    parent    = "mgmt"
    id        = 1
    addresses = ["10.0.10.10/24"]
  }

  route "platform" {
    destination = "10.0.0.0/8" # wider than the subnets within: their hosts stay neighbours
    via         = "10.0.0.1"
  }
  route "operations" {
    destination = "2001:db8:99::/48"
    via         = "fe80::9"
    nic         = "mgmt"
  }
  route "host" {
    destination = "198.18.0.7/32"
    via         = "10.0.9.1"
    nic         = "mgmt"
  }
}

workload {
  cps              = 200
  concurrent_calls = 12000
  call_duration    = "60s"
}

listener "carrier" {
  nic     = "carriers"
  address = "203.0.113.10"
  sources = ["198.51.100.0/24"]
}

listener "core" {
  address = "10.0.0.10"
  sources = ["10.0.0.0/24"]
}

dispatcher "core" {
  id = 1
  destination "fs1" {
    uri = "sip:10.77.0.11:5060" # behind the route
  }
}
