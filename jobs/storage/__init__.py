"""The database: tables, transactions, migrations, and what web and worker do to rows."""
