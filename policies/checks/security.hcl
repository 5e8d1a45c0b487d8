# Who may reach the appliance, and with how much.

rule "sources-open" {
  severity  = "warning"
  source    = "Trunkline: every listener names who may talk to it; firewall and proxy both enforce it"
  for_each  = [for l in spec.listeners : l if !l.loopback]
  condition = !any([for p in each.sources : prefix_length(p) == 0])
  at        = each.at.sources
  summary   = "Open to everybody"
  message   = "Listener \"${each.name}\" answers every address there is: scanners find it within hours, and each of their requests takes a worker's time."
  remedy    = "Write the prefixes of the carriers in sources."
}

rule "sources-wide" {
  severity  = "warning"
  source    = "Trunkline: every listener names who may talk to it; firewall and proxy both enforce it"
  for_each  = [for l in spec.listeners : l if !l.loopback]
  condition = !any([for p in each.sources : prefix_length(p) > 0 && prefix_length(p) < (is_ipv6(p) ? 32 : 16) && !is_private(p)])
  at        = each.at.sources
  summary   = "Open to far more than a carrier"
  message   = "Listener \"${each.name}\" lets ${join(", ", [for p in each.sources : p if prefix_length(p) > 0 && prefix_length(p) < (is_ipv6(p) ? 32 : 16) && !is_private(p)])} in. No carrier signals from so many addresses (a /16 of IPv4 or a /32 of IPv6 is a provider's whole network)."
  remedy    = "Write the prefixes the carrier signals from."
}

rule "firewall-off" {
  severity  = "warning"
  source    = "Trunkline: deny by default; nothing reaches a socket that the spec does not let in"
  condition = spec.firewall.enabled
  at        = spec.firewall.at.block
  summary   = "No packet filter"
  message   = "The firewall is turned off: floods reach the proxy's sockets, and only the proxy itself looks at who sends."
  remedy    = "Write enabled = true in the firewall block, or remove it."
}

rule "limits-missing" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS, bottlenecks 6 and 9: admission limits, kept in memory"
  condition = spec.limits.cps > 0 || spec.limits.concurrent_calls > 0 # one without the other is a diagnostic of the spec
  at        = spec.limits.at.block
  summary   = "Nothing limits new calls"
  message   = "Without limits a flood fills the memory sized for ${count(spec.workload.concurrent_calls)} calls, and calls in progress suffer with it."
  remedy    = "Add a limits block with cps and concurrent_calls a little above the workload."
}

rule "control-wide" {
  severity  = "warning"
  source    = "Trunkline: whoever reaches the control address can take destinations out"
  for_each  = spec.control == null ? [] : concat([{ name = "control", sources = spec.control.sources, at = spec.control.at }], spec.control.metrics == null ? [] : [{ name = "metrics", sources = spec.control.metrics.sources, at = spec.control.metrics.at }])
  condition = !any([for p in each.sources : prefix_length(p) < (is_ipv6(p) ? 48 : 16) || !is_private(p) && prefix_length(p) < (is_ipv6(p) ? 64 : 24)])
  at        = each.at.sources
  summary   = "Operated from anywhere"
  message   = "The ${each.name} address lets in ${join(", ", [for p in each.sources : p if prefix_length(p) < (is_ipv6(p) ? 48 : 16) || !is_private(p) && prefix_length(p) < (is_ipv6(p) ? 64 : 24)])}: far more than the hosts people operate from."
  remedy    = "Write the prefixes of the operators' hosts in sources."
}

rule "tls-trunk-without-client-ca" {
  severity  = "note"
  source    = "RFC 5922: SIP over TLS between domains shows certificates on both sides"
  for_each  = [for l in spec.listeners : l if l.transport == "tls" && !any([for p in l.sources : prefix_length(p) == 0])]
  condition = each.tls.client_ca != ""
  at        = each.at.block
  summary   = "Carriers are known by their address alone"
  message   = "Listener \"${each.name}\" encrypts, but takes anybody from its sources for a carrier."
  remedy    = "Name a client_ca in its tls block, when the carriers show certificates."
}

rule "clock-missing" {
  severity  = "warning"
  source    = "RFC 5280 section 4.1.2.5: a certificate is valid between two points in time; a machine without a clock takes an expired one, or none"
  condition = length(spec.hardware.ntp) > 0 || !(spec.update != null || try(spec.control.address, "") != "" || any([for l in spec.listeners : l.secure]))
  at        = spec.hardware.at.block
  summary   = "Nothing sets the clock"
  message   = "Listeners over TLS, the control address and updates check certificates, and no time server is named."
  remedy    = "Write ntp = [\"ADDRESS\"] in the hardware block."
}
