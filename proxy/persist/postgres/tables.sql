create table call_state_head (
  appliance text primary key,
  binding   bytea not null,
  secret    bytea not null
);
create table call_state (
  appliance text not null,
  id        bigint not null,
  call      bytea not null,
  primary key (appliance, id)
);
