-- The shop's database, the source of change data capture: customers, and an outbox of orders.

-- A customer as of now. `event_id`, `event_time` and `source` make each version of a row an event of the topic
-- `customers`. A writer may set them, such as for a past change that is entered later; otherwise the trigger does.
create table if not exists customers (
    customer_id text primary key check (customer_id <> ''),
    country text,
    registered_at timestamptz,
    event_id text not null,
    event_time timestamptz not null,
    source text not null default 'shop-db'
);

create or replace function stamp_customer() returns trigger language plpgsql as $$
begin
    if new.event_time is null or (tg_op = 'UPDATE' and new.event_time = old.event_time) then
        new.event_time := clock_timestamp();
    end if;
    if new.event_id is null or (tg_op = 'UPDATE' and new.event_id = old.event_id) then
        new.event_id := format('shop-customer-%s-%s', new.customer_id,
            (extract(epoch from new.event_time) * 1000000)::bigint);
    end if;
    return new;
end $$;
create or replace trigger stamp_customer before insert or update on customers
    for each row execute function stamp_customer();

-- TRUNCATE writes no row changes to the WAL, so consumers of the captured changes would keep the accounts. This trigger
-- deletes the rows one by one first. `always`: it also fires in sessions that disable other triggers.
create or replace function close_accounts() returns trigger language plpgsql as $$
begin
    execute format('delete from %I.%I', tg_table_schema, tg_table_name);
    return null;
end $$;
create or replace trigger close_accounts before truncate on customers
    for each statement execute function close_accounts();
alter table customers enable always trigger close_accounts;

-- One JSON document per order, in the format of the topic's contract, written in the transaction that places the order.
create table if not exists order_outbox (
    event_id text primary key,
    topic text not null default 'orders' check (topic = 'orders'),
    key text not null check (key <> ''),
    document jsonb not null check (octet_length(document::text) <= 1000000),
    written_at timestamptz not null default clock_timestamp()
);

-- One row that the connectors update regularly, so that their WAL position advances when there are no orders.
create table if not exists heartbeat (
    connector text primary key,
    beat_at timestamptz not null
);
