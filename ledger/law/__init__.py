"""The law: pure functions over plain values. Each cites its section; none reads a ledger or a clock."""
