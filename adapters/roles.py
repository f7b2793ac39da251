"""The two roles of PostgreSQL: the owner, who migrates, and the application's role, which adds to the log and cannot change it.

On SQLite whoever opens the file owns it: there a guard on the application's connections takes the place of the role (adapters.database).
"""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa
from eventsourcing.persistence import ProgrammingError
from sqlalchemy import exc

from adapters.database import Database, code_of
from adapters.schema import log, metadata

DEFAULT = "tarikh_app"
_THERE = ("42710", "23505")  # the role is there: another `init` on this server was first


def role(connection: sa.Connection) -> Literal["owner", "application"]:
    """Whom this connection speaks for: who holds UPDATE on the log owns it, even though triggers refuse the owner too."""
    if connection.dialect.name == "sqlite" or connection.scalar(sa.text("SELECT has_table_privilege('log', 'UPDATE')")):
        return "owner"
    return "application"


def require_owner(database: Database) -> None:
    """Raises ProgrammingError where this role may not migrate: another one owns the tables, or it may create none."""
    if database.sqlite:
        return
    with database.transaction() as connection:
        me, owner, may_create = connection.execute(sa.text(
            "SELECT current_user, (SELECT rolname FROM pg_class c JOIN pg_roles r ON r.oid = relowner WHERE c.oid = to_regclass('log') "
            "AND NOT pg_has_role(relowner, 'USAGE')), has_schema_privilege(current_schema(), 'CREATE')")).one()
    if owner is not None:
        raise ProgrammingError(f"the tables belong to {owner}, and this is {me}: run `tarikh init` as {owner}")
    if not may_create:
        raise ProgrammingError(f"{me} may create no tables here: run `tarikh init` as the owner of the schema")


def set_up(database: Database, name: str, password: str | None) -> list[str]:
    """Makes the application's role where it is not there, and gives it exactly the rights that it needs. Returns what to tell.

    Run by the owner after migrating; may be run again. Raises ProgrammingError where the owner cannot make the role, or where the role
    would be able to change the log all the same.
    """
    if database.sqlite:
        return []
    if not name:
        return ["TARIKH_APP_ROLE is empty: no role for the application was set up, and the owner must not serve"]
    with database.transaction(write=True) as connection:
        quoted = connection.dialect.identifier_preparer.quote_identifier(name)
        there, may_make = connection.execute(sa.text(
            "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :name), rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"),
            {"name": name}).one()
        if not may_make and (password or not there):
            raise ProgrammingError(
                "the tables are at the newest revision, but this role may not make or alter roles: run this as one that may, "
                f"then `tarikh init` again without TARIKH_APP_PASSWORD: {'ALTER' if there else 'CREATE'} ROLE {quoted} LOGIN PASSWORD '...'")
        if not there:
            _make(connection, quoted)
        if password:
            _set_password(connection, name, quoted, password)
        for statement in _rights(connection, quoted):
            connection.exec_driver_sql(statement)
        _refuse_too_much(connection, name)
    told = [f"role {name}: adds to the log and reads it, cannot change it; point the service's TARIKH_DATABASE_URL at it"]
    if not there and not password:
        told.append(f"role {name} has no password: set TARIKH_APP_PASSWORD and run `tarikh init` again, or let pg_hba.conf know it otherwise")
    return told


def _make(connection: sa.Connection, quoted: str) -> None:
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"CREATE ROLE {quoted} LOGIN")
    except exc.DBAPIError as error:
        if code_of(error) not in _THERE:
            raise


def _set_password(connection: sa.Connection, name: str, quoted: str, password: str) -> None:
    """The verifier is made here (SCRAM-SHA-256, RFC 7677): the password itself reaches neither the server nor its log."""
    raw: Any = connection.connection.driver_connection
    verifier = raw.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    connection.exec_driver_sql(f"ALTER ROLE {quoted} PASSWORD '{verifier}'")  # base64, $ and :, so nothing to quote


def _rights(connection: sa.Connection, quoted: str) -> list[str]:
    """Everything is taken away first, so that a right given by hand does not stay."""
    ordinary = [table for table in metadata.sorted_tables if table is not log]
    names = ", ".join(f'"{table.name}"' for table in ordinary)
    generated = [connection.scalar(sa.select(sa.func.pg_get_serial_sequence(table.name, column.name)))
                 for table in ordinary for column in table.primary_key if column.autoincrement is True]
    schema, database = connection.execute(sa.text("SELECT quote_ident(current_schema()), quote_ident(current_database())")).one()
    return [
        f"REVOKE ALL ON log, alembic_version, {names} FROM PUBLIC, {quoted}",
        f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {quoted}",
        f"REVOKE CREATE, TEMPORARY ON DATABASE {database} FROM PUBLIC, {quoted}",  # a temporary table `log` would hide the real one
        f"GRANT USAGE ON SCHEMA {schema} TO {quoted}",
        f"GRANT SELECT, INSERT ON log TO {quoted}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {names} TO {quoted}",
        f"GRANT SELECT ON alembic_version TO {quoted}",
        f"GRANT USAGE ON SEQUENCE {', '.join(filter(None, generated))} TO {quoted}",
        f"GRANT EXECUTE ON FUNCTION log_lock() TO {quoted}",
    ]


_TOO_MUCH = sa.text("""
    SELECT CASE
        WHEN r.rolsuper THEN 'is a superuser'
        WHEN pg_has_role(r.oid, c.relowner, 'MEMBER') THEN 'may act as the owner of the tables'
        WHEN r.rolcreaterole THEN 'may make and grant roles'
        WHEN pg_has_role(r.oid, d.datdba, 'MEMBER') THEN 'may act as the owner of the database'
        WHEN pg_has_role(r.oid, 'pg_execute_server_program', 'MEMBER') OR pg_has_role(r.oid, 'pg_write_server_files', 'MEMBER')
            THEN 'may write to the files of the server'
        WHEN has_table_privilege(r.oid, c.oid, 'UPDATE, DELETE, TRUNCATE, TRIGGER') THEN 'may change the log by a right that it inherits'
        WHEN has_schema_privilege(r.oid, c.relnamespace, 'CREATE') THEN 'may create tables in the schema'
    END FROM pg_roles r, pg_class c, pg_database d
    WHERE r.rolname = :name AND c.oid = 'log'::regclass AND d.datname = current_database()""")


def _refuse_too_much(connection: sa.Connection, name: str) -> None:
    if too_much := connection.scalar(_TOO_MUCH, {"name": name}):
        raise ProgrammingError(f"the role {name} is none for the application, for it {too_much}: take that from it, or name another "
                               "in TARIKH_APP_ROLE; nothing was granted")
