ORDER = scripts do not count
