-- MLflow's alias alone determines the champion. This table keeps the history, in the transaction that moves the alias.
create table if not exists models.champions (
    number bigint generated always as identity primary key,
    model text not null,
    version integer,
    since timestamptz not null default clock_timestamp()
);

comment on table models.champions is 'Every change of a champion; version is null if the model no longer had one.';

create or replace function models.note_champion() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        if old.alias = 'champion' then
            insert into models.champions (model, version) values (old.name, null);
        end if;
    elsif new.alias = 'champion' and (tg_op = 'INSERT' or new.version is distinct from old.version) then
        insert into models.champions (model, version) values (new.name, new.version);
    end if;
    return null;
end
$$;

create or replace trigger note_champion
after insert or update or delete on mlflow.registered_model_aliases
for each row execute function models.note_champion();
