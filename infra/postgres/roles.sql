-- name: roles
-- The database roles of the ledgers; run by a superuser, or a role that may create roles, as often as wanted.
-- What each may do stands with the tables, in the migrations. They cannot sign in by themselves: the embedded
-- server gives each a password, elsewhere the configured sign-in becomes them (SET ROLE).
DO $roles$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY[
        'auditledger_owner',      -- owns the ledgers' tables, runs the migrations of all; nothing runs as it otherwise
        'auditledger_writer',     -- appends entries, moves heads
        'auditledger_projector',  -- reads entries, owns the registers
        'auditledger_reader',     -- reads entries and registers
        'auditledger_sealer',     -- reads entries, keeps the last signed checkpoint of each ledger
        'auditledger_vault'       -- owns the vault, opens and destroys sealed values
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN INHERIT', wanted);
        END IF;
        IF NOT pg_has_role(current_user, wanted, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO %I', wanted, current_user);
        END IF;
    END LOOP;
    -- Migrations make what the vault and the projector own.
    IF NOT pg_has_role('auditledger_owner', 'auditledger_vault', 'MEMBER') THEN
        GRANT auditledger_vault TO auditledger_owner;
    END IF;
    IF NOT pg_has_role('auditledger_owner', 'auditledger_projector', 'MEMBER') THEN
        GRANT auditledger_projector TO auditledger_owner;
    END IF;
END
$roles$;
