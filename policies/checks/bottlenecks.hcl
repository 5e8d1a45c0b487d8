# What kept a platform below 1,000 calls/s and 60,000 calls held: the thirteen
# bottlenecks of "Scaling Kamailio to 1,000 CPS and 60,000 concurrent calls", as
# far as a plan can see them. Numbers are those of the article.

# 1: state that outlives its call.
rule "call-lifetime" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS, bottleneck 1 and the 60,000 concurrent number: expiry and dialog timeout at 1,800 s"
  when      = spec.session == null
  condition = spec.transaction.call_lifetime <= 1800
  at        = spec.transaction.at.call_lifetime
  summary   = "Calls that never end are kept for long"
  message   = "A call whose BYE is lost holds its slot for ${duration(spec.transaction.call_lifetime)} (call_lifetime); slots are sized for calls of ${duration(spec.workload.call_duration)}."
  remedy    = "Write call_lifetime = \"30m\" or less in the transaction block."
}

rule "state-high-water" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS, bottleneck 1: shared memory must not run out under calls in progress"
  condition = spec.state.high_water <= 0.95
  at        = spec.state.at.high_water
  summary   = "No room left for calls in progress"
  message   = "New calls are taken until ${spec.state.high_water * 100} % of the transaction slots are in use. What is left must do for the ACK, BYE and retransmissions of the calls in progress."
  remedy    = "Write high_water = 0.9 in the state block."
}

# 2: probes that take healthy destinations out.
rule "probe-missing" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS, bottleneck 2: dispatcher probes"
  for_each  = spec.dispatchers
  when      = length(each.destinations) > 1
  condition = each.probe != null
  at        = each.at.block
  summary   = "Destinations are not probed"
  message   = "Nothing finds out that a destination of dispatcher \"${each.name}\" is down: every call it is chosen for waits ${duration(spec.transaction.reply_timeout)} before the next is tried."
  remedy    = "Add an empty block, probe {}, to dispatcher \"${each.name}\"."
}

rule "probe-fail-threshold" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS, bottleneck 2: ds_probing_threshold 1 -> 5"
  for_each  = [for d in spec.dispatchers : d if d.probe != null]
  condition = each.probe.fail_threshold >= 3
  at        = each.probe.at.fail_threshold
  summary   = "A lost probe takes a destination out"
  message   = "With fail_threshold = ${each.probe.fail_threshold} a destination of dispatcher \"${each.name}\" is out as soon as it misses that many OPTIONS. Under load a healthy one does, and its calls fall on the others."
  remedy    = "Write fail_threshold = 5."
}

rule "probe-recover-threshold" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS, bottleneck 2: ds_inactive_threshold 1 -> 5"
  for_each  = [for d in spec.dispatchers : d if d.probe != null]
  condition = each.probe.recover_threshold >= 3
  at        = each.probe.at.recover_threshold
  summary   = "A single answer brings a destination back"
  message   = "With recover_threshold = ${each.probe.recover_threshold} a destination of dispatcher \"${each.name}\" is back as soon as it answers that many OPTIONS. One that is half up then flaps, and takes calls with it each time."
  remedy    = "Write recover_threshold = 5."
}

rule "probe-interval" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS, bottleneck 2: ping interval 60 s -> 30 s"
  for_each  = [for d in spec.dispatchers : d if d.probe != null]
  condition = each.probe.interval <= 30
  at        = each.probe.at.interval
  summary   = "Probes are far apart"
  message   = "With interval = ${duration(each.probe.interval)} and fail_threshold = ${each.probe.fail_threshold}, dispatcher \"${each.name}\" sends calls to a dead destination for up to ${duration(each.probe.interval * each.probe.fail_threshold)}."
  remedy    = "Write interval = \"30s\"."
}

# 3: workers that starve once requests are sent again. Worker counts that contradict
# the model are findings of the sizing (workers.too-few, workers.above-threads).
rule "worker-headroom" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS, bottleneck 3: workers sized for INVITEs starve under retransmissions"
  # Two steps: a large platform has thousands of ceilings, and few of them are low.
  for_each  = [for c in [for low in plan.budget.ceilings : low if low.headroom < 1.25] : c if startswith(c.at.id, "ceiling.cpu") || endswith(c.at.id, ".cpu")]
  name      = each.resource
  when      = each.headroom >= 1 # below, it is an error of the sizing
  condition = each.headroom >= 1.25
  at        = spec.hardware.at.cpu
  summary   = "No CPU left for retransmissions: ${each.resource}"
  message   = "It saturates at ${count(each.at.value)} calls/s, ${count(each.headroom)} times the plan. Once replies come late, requests are sent again, and that load comes on top."
  remedy    = "To raise it: ${each.remedy}."
}

# 4: transactions that pile up.
rule "invite-timeout" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS, bottleneck 4: INVITE lifetime 120-180 s -> 30 s"
  condition = spec.transaction.invite_timeout <= 60
  at        = spec.transaction.at.invite_timeout
  summary   = "Unanswered calls pile up"
  message   = "An INVITE nobody answers is kept for ${duration(spec.transaction.invite_timeout)}: at ${count(spec.workload.cps)} calls/s up to ${count(spec.workload.cps * spec.transaction.invite_timeout)} of them at once."
  remedy    = "Write invite_timeout = \"30s\" in the transaction block."
}

# 5: media sessions that outlive their calls, and relays too small for them. That the
# sessions and commands stated do not suffice is a finding of the sizing.
rule "media-sessions-unstated" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS, the 60,000 concurrent number: max-sessions scaled to the fleet, 20,000 for each of four instances"
  for_each  = spec.media == null ? [] : spec.media.instances
  condition = each.max_sessions > 0
  at        = each.at.block
  summary   = "How many sessions a relay takes is not stated"
  message   = "Instance \"${each.name}\" has no max_sessions, so the plan cannot tell whether the relays hold ${count(plan.budget.calls_held.value)} calls, and nothing stops calls a relay cannot carry."
  remedy    = "State max_sessions of instance \"${each.name}\"."
}

rule "media-orphans" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS, bottleneck 5: stale media sessions accumulated at thousands per hour"
  condition = spec.media == null || spec.session != null
  at        = try(spec.media.at.block, "")
  summary   = "Media sessions of lost calls stay"
  message   = "A call whose ends vanish without a BYE holds a session of its relay until ${duration(spec.transaction.call_lifetime)} have passed (call_lifetime): nothing asks whether the ends are still there."
  remedy    = "Add a session block, session {}, and write how long a call may last as call_lifetime in the transaction block."
}

rule "media-single-instance" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS: media instances are added horizontally, and every call goes through one"
  condition = spec.media == null || length(try(spec.media.instances, [])) > 1
  at        = try(spec.media.instances[0].at.block, "")
  summary   = "One relay carries all media"
  message   = "Every call goes through instance \"${try(spec.media.instances[0].name, "")}\": while it is down no call is taken."
  remedy    = "Add a second instance to the media block."
}

# 6: limits of the backends. That they are too low is a finding of the sizing.
rule "backend-limits-unstated" {
  severity  = "note"
  source    = "Scaling Kamailio to 1,000 CPS, bottleneck 6: UAS limits of 30 sessions per second and 1,000 sessions"
  for_each  = spec.dispatchers
  when      = spec.workload.cps >= 100
  condition = each.max_cps > 0 && each.max_calls > 0
  at        = each.at.block
  summary   = "Limits of the destinations are not stated"
  message   = "Dispatcher \"${each.name}\" does not state both how many calls/s and how many calls its destinations take, so the plan cannot tell whether they carry ${count(spec.workload.cps)} calls/s and ${count(spec.workload.concurrent_calls)} calls."
  remedy    = "State max_cps and max_calls of its destinations."
}

# 7: connections that multiply. That a server has too few is a finding of the sizing.
rule "database-pool" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS, bottleneck 7: a handle per worker made 256 connections for each use of the database"
  for_each  = spec.databases
  condition = each.pool <= 16
  at        = each.at.pool
  summary   = "A handle for every worker"
  message   = "Database \"${each.name}\" is given ${each.pool} connections for each of its uses (${join(", ", each.pools)}). Workers never wait for a database: the few tasks beside them share a pool."
  remedy    = "Write pool = 2, or leave it out."
}

rule "database-limit-unstated" {
  severity  = "note"
  source    = "Scaling Kamailio to 1,000 CPS, bottleneck 7: \"too many clients already\" on startup; audit database handles before scaling"
  for_each  = [for d in spec.databases : d if d.engine == "postgres"]
  condition = each.max_connections > 0
  at        = each.at.block
  summary   = "How many connections the server takes is not stated"
  message   = "Database \"${each.name}\" has no max_connections, so the plan cannot tell whether the server takes all appliances that use it."
  remedy    = "State max_connections, as in the server's configuration."
}

# 8: what is there and does nothing. Dispatchers and caches no route leads to are
# diagnostics of the spec.
rule "unused-listener" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS, bottleneck 8: what is not used still costs"
  for_each  = plan.appliance.listeners
  condition = length(try(each.peers, [])) > 0 || spec.listener[each.name].routed
  at        = spec.listener[each.name].at.block
  summary   = "A listener no call comes through"
  message   = "No route takes calls from listener \"${each.name}\" and no destination is reached through it. It holds workers and buffers all the same."
  remedy    = "Name it in the from of a route, or remove it."
}

# 10: writes that follow every change of a call.
rule "persistence-at-once" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS, bottleneck 10: dialog db_mode 1 -> 2, delayed flushes"
  condition = try(spec.state.persistence.mode, "delayed") == "delayed"
  at        = try(spec.state.persistence.at.mode, "")
  summary   = "Every change of a call is written"
  message   = "With mode = \"at-once\" each of ${count(spec.workload.cps)} calls/s is written when it begins, when it is answered and when it ends: ${count(3 * spec.workload.cps)} writes/s."
  remedy    = "Write mode = \"delayed\"."
}

# 11: work per call that grows with the table.
rule "prefix-routes" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS, bottleneck 11: prefixes belong into a longest-match table in memory"
  condition = length([for r in spec.routes : r if r.prefix != ""]) <= 50
  at        = try([for r in spec.routes : r if r.prefix != ""][50].at.block, "")
  summary   = "A long list of prefix routes"
  message   = "${length([for r in spec.routes : r if r.prefix != ""])} routes have a prefix. They are tried one after the other for every call; a cache finds the longest match in one step."
  remedy    = "Put the prefixes into a cache and one route with cache = \"...\"."
}

# 12: caches that are cold after a start.
rule "cache-warmup" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS, bottleneck 12: synchronous warm-up before the listener accepts traffic"
  for_each  = spec.caches
  condition = each.warmup == "sync"
  at        = each.at.warmup
  summary   = "A cache is cold when calls come in"
  message   = "Cache \"${each.name}\" loads in the background: until it has, calls match nothing in it and take the next route."
  remedy    = "Write warmup = \"sync\"."
}

# 13: one socket for everybody.
rule "listener-spread" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS, bottleneck 13: past about 600 CPS one listener IP was the limit; each carrier got its own"
  for_each  = [for l in spec.listeners : l if !l.loopback]
  condition = spec.workload.cps * each.share <= 600
  at        = each.at.block
  summary   = "Many calls through one address"
  message   = "Listener \"${each.name}\" takes ${count(spec.workload.cps * each.share)} calls/s. A trunk is one flow and meets one socket, and carriers that share an address share what it can receive."
  remedy    = "Give each large carrier a listener with an address of its own."
}

# The second axis: calls nobody ends. With session timers call_lifetime ends calls, also those that
# are spoken in, so how long it is becomes a decision (rules session-lifetime...); without, it only
# stops counting what nobody ended (rule call-lifetime).
rule "session-timers" {
  severity  = "note"
  source    = "Scaling Kamailio to 1,000 CPS, the 60,000 concurrent number: RFC 4028 session timers, or network blips leave dialogs that linger"
  when      = spec.workload.concurrent_calls >= 10000
  condition = spec.session != null
  at        = spec.workload.at.concurrent_calls
  summary   = "Nothing finds out that a call has lost its ends"
  message   = "Of ${count(spec.workload.concurrent_calls)} calls in progress those whose BYE is lost are counted until ${duration(spec.transaction.call_lifetime)} have passed: no session timer (RFC 4028) asks the ends."
  remedy    = "Add a session block, session {}, and write how long a call may last as call_lifetime in the transaction block."
}

rule "session-expires" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS, the 60,000 concurrent number: Session-Expires of 1,800 s"
  condition = try(spec.session.session_expires, 1800) <= 1800
  at        = try(spec.session.at.session_expires, "")
  summary   = "Sessions are refreshed too seldom"
  message   = "With session_expires = ${duration(try(spec.session.session_expires, 0))} a call that lost its ends stays for as long."
  remedy    = "Write session_expires = \"30m\"."
}

rule "session-lifetime-unstated" {
  severity  = "warning"
  source    = "RFC 4028 section 8 lets a proxy forget a session that ran out; a BYE to calls past an age is Trunkline's own, so the age is to be chosen"
  when      = spec.session != null
  condition = spec.transaction.call_lifetime_stated
  at        = spec.session.at.block
  summary   = "The longest call is not chosen"
  message   = "With session timers both sides of a call that is older than ${duration(spec.transaction.call_lifetime)} are sent BYE, also when its session is refreshed and people talk: that is the default of call_lifetime, which is not written."
  remedy    = "Write call_lifetime in the transaction block, as long as the longest call may be, for example call_lifetime = \"4h\"."
}

# Who refreshes does so after half a session, so the first session that runs out after a refresh does
# at one and a half times session_expires.
rule "session-lifetime" {
  severity  = "warning"
  source    = "RFC 4028 section 7.2: a session is refreshed when half of it has passed"
  when      = spec.session != null && spec.transaction.call_lifetime_stated
  condition = spec.transaction.call_lifetime > try(spec.session.session_expires, 0) * 1.5
  at        = spec.transaction.at.call_lifetime
  summary   = "Calls end before their session timers count"
  message   = "Both sides of a call are sent BYE after ${duration(spec.transaction.call_lifetime)} (call_lifetime). A session of ${duration(spec.session.session_expires)} that was refreshed once runs out after ${duration(spec.session.session_expires * 1.5)} or later, so no timer finds out that such a call has lost its ends, and calls that go on are cut."
  remedy    = spec.session.session_expires <= 43200 ? "Write a call_lifetime of ${duration(spec.session.session_expires * 2)} or more, or a shorter session_expires." : "Write session_expires = \"30m\"."
}

rule "session-min-se" {
  severity  = "warning"
  source    = "Scaling Kamailio to 1,000 CPS, the 60,000 concurrent number: min_se = 90; RFC 4028 section 5"
  condition = try(spec.session.min_se, 90) <= 300
  at        = try(spec.session.at.min_se, "")
  summary   = "Peers that refresh often are refused"
  message   = "With min_se = ${duration(try(spec.session.min_se, 0))} every INVITE that asks for less is answered 422 and sent again: twice the work for those calls, and peers that cannot do it lose them."
  remedy    = "Write min_se = \"90s\"."
}
