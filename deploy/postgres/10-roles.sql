-- Runs once, when the database is empty: one role per service, a login user that may take it, and one that migrates.
\getenv migrate_password MIGRATE_DB_PASSWORD
\getenv registry_password REGISTRY_DB_PASSWORD
\getenv dispatch_password DISPATCH_DB_PASSWORD
\getenv ack_password ACK_DB_PASSWORD

CREATE ROLE wian_registry NOLOGIN;
CREATE ROLE wian_dispatch NOLOGIN;
CREATE ROLE wian_ack NOLOGIN;

CREATE USER wian_migrate CREATEROLE PASSWORD :'migrate_password';
CREATE USER wian_registry_app PASSWORD :'registry_password' IN ROLE wian_registry;
CREATE USER wian_dispatch_app PASSWORD :'dispatch_password' IN ROLE wian_dispatch;
CREATE USER wian_ack_app PASSWORD :'ack_password' IN ROLE wian_ack;

GRANT wian_registry, wian_dispatch, wian_ack TO wian_migrate;

REVOKE ALL ON DATABASE wian FROM PUBLIC;
GRANT CONNECT ON DATABASE wian TO wian_registry, wian_dispatch, wian_ack;
GRANT CONNECT, CREATE ON DATABASE wian TO wian_migrate;
