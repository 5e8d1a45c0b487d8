# Where calls go: the same platform for all sites, listed in gateways.csv.

locals {
  gateways = { for g in csvdecode(file("gateways.csv")) : g.name => g }
}

dispatcher "core" {
  id        = 1
  algorithm = "round-robin"

  probe {
    accept = ["2xx", "404"]
  }

  dynamic "destination" {
    for_each = local.gateways
    iterator = gateway
    labels   = [gateway.key]
    content {
      uri      = "sip:${gateway.value.address}:5060"
      listener = "core"
      max_cps  = tonumber(gateway.value.max_cps)
    }
  }
}

route "default" {
  to = ["core"]
}
