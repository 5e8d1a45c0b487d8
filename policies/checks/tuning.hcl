# Tuning that helps, and tuning that does not.

rule "workers-in-total" {
  severity  = "warning"
  source    = "Tuning Kamailio for high throughput and performance: as many receivers as hardware threads; more only compete"
  for_each  = [for l in spec.listeners : l if l.workers > 0]
  # Above the threads it is a finding of the sizing; workers that wait are more on purpose.
  when      = each.workers > 1 && each.workers <= spec.hardware.threads && spec.workload.worker_wait == 0
  condition = plan.budget.total_workers.value - try(spec.sockets.workers, 0) <= max(spec.hardware.threads, length(spec.listeners))
  at        = each.at.workers
  summary   = "More workers in all than hardware threads"
  message   = "Listener \"${each.name}\" is fixed to ${each.workers} workers, and all listeners together have ${plan.budget.total_workers.value - try(spec.sockets.workers, 0)} on ${spec.hardware.threads} hardware threads. Workers never wait for anything but their socket: the surplus only costs switches."
  remedy    = "Write workers = \"auto\"."
}

rule "nic-queues" {
  severity  = "note"
  source    = "Linux kernel documentation, networking/scaling: one receive queue for each CPU at most"
  for_each  = spec.hardware.nics
  condition = each.queues <= spec.hardware.threads
  at        = each.at.queues
  summary   = "More receive queues than hardware threads"
  message   = "NIC \"${each.name}\" has ${each.queues} queues for ${spec.hardware.threads} hardware threads: several interrupt one CPU."
  remedy    = "Write queues = ${spec.hardware.threads} or less."
}

rule "mtu-small" {
  severity  = "warning"
  source    = "SIP UDP fragmentation and Kamailio - the SIP header diet; RFC 3261 section 18.1.1: requests within 200 bytes of the path MTU need TCP"
  for_each  = spec.hardware.nics
  when      = any([for l in spec.listeners : l.nic == each.name && l.transport == "udp"])
  condition = each.mtu >= 1500
  at        = each.at.mtu
  summary   = "INVITEs will be fragmented"
  message   = "NIC \"${each.name}\" has an MTU of ${each.mtu}: a SIP message over UDP of more than ${each.mtu - 200} bytes is cut into fragments, and many networks drop those."
  remedy    = "Write mtu = 1500, or leave it out."
}

rule "mtu-beyond-lan" {
  severity  = "warning"
  source    = "SIP UDP fragmentation and Kamailio - the SIP header diet: a larger MTU only where the whole path is under control"
  for_each  = spec.hardware.nics
  when      = length(each.gateways) > 0
  condition = each.mtu <= 1500
  at        = each.at.mtu
  summary   = "A large MTU towards other networks"
  message   = "NIC \"${each.name}\" has a gateway and an MTU of ${each.mtu}: what is larger than 1,500 bytes is cut or dropped by the first network that has less."
  remedy    = "Write mtu = 1500; keep larger ones for a NIC without a gateway."
}

rule "failover-time" {
  severity  = "warning"
  source    = "Load balancing through the dispatcher module: failover to the next destination on a timeout"
  for_each  = spec.dispatchers
  when      = length(each.destinations) > 1 && each.failover.on_timeout
  condition = 2 * spec.transaction.reply_timeout <= spec.transaction.invite_timeout
  at        = spec.transaction.at.reply_timeout
  summary   = "No time for a second destination"
  message   = "A silent destination of dispatcher \"${each.name}\" is left after ${duration(spec.transaction.reply_timeout)} (reply_timeout), and the call is ended after ${duration(spec.transaction.invite_timeout)} (invite_timeout): the second one gets no full try."
  remedy    = "Write reply_timeout = \"5s\" in the transaction block."
}

rule "failover-busy" {
  severity  = "warning"
  source    = "Load balancing through the dispatcher module: failover on what the server could not do, not on what the person called decided"
  for_each  = spec.dispatchers
  condition = !any([for code in [486, 603] : any([for s in each.failover.on : s.first <= code && code <= s.last]) && !contains(each.failover.never, code)])
  at        = each.failover.at.block
  summary   = "Busy and declined calls are tried again"
  message   = "Dispatcher \"${each.name}\" takes busy (486) or declined (603) to the next destination: the phone rings again, and the calls count twice."
  remedy    = "Write never = [486, 603] in its failover block."
}

rule "resolver-single" {
  severity  = "warning"
  source    = "RFC 3263 section 4: a destination by name is reached through its records, and not at all without a resolver"
  when      = any([for d in spec.dispatchers : length(d.hosts) > 0])
  condition = length(spec.hardware.dns) != 1
  at        = spec.hardware.at.dns
  summary   = "One resolver for all names"
  message   = "Destinations are given by name, and dns lists one resolver: while it is down, names that are not known yet lead nowhere."
  remedy    = "Add a second resolver to dns."
}

rule "update-at-once" {
  severity  = "warning"
  source    = "Trunkline: a new image is a reboot, and answered calls go on only where another appliance takes them"
  condition = try(spec.update.reboot, "window") != "at-once"
  at        = try(spec.update.at.reboot, "")
  summary   = "Reboots at any time"
  message   = "With reboot = \"at-once\" a new image restarts the appliance in the middle of the day, ${count(spec.workload.concurrent_calls)} calls in progress or not."
  remedy    = "Write reboot = \"window\"."
}

rule "update-one-try" {
  severity  = "warning"
  source    = "systemd: Automatic Boot Assessment; a power cut during the first boot is no fault of the image"
  condition = try(spec.update.tries, 3) >= 2
  at        = try(spec.update.at.block, "")
  summary   = "One try for a new image"
  message   = "With tries = 1 whatever disturbs the first boot brings the old image back."
  remedy    = "Write tries = 3, or leave it out."
}

rule "header-diet" {
  severity  = "note"
  source    = "SIP UDP fragmentation and Kamailio - the SIP header diet: take headers out first, compact names after"
  condition = !(try(spec.messages.compact, false) && length(try(spec.messages.remove_headers, [])) == 0)
  at        = try(spec.messages.at.compact, "")
  summary   = "Compact names alone save little"
  message   = "Compact header names save some tens of bytes a message, and tools that read traces by name miss them. Headers nobody needs are ten times as much."
  remedy    = "Write remove_headers = [\"User-Agent\", \"Server\"] as well, or leave compact out."
}
