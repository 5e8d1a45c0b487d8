# What an SBC does besides: dialogs are kept, sessions are watched, calls are counted and limited.
session {
  insert = false
}

limits {
  cps              = 20000
  concurrent_calls = 60000
  carrier "load" {
    prefixes         = ["127.93.0.0/24"]
    cps              = 20000
    concurrent_calls = 60000
  }
}
