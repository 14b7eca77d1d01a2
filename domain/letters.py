"""The letters of codes that people read and type. Pure."""

CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # no 0, 1, I, L, O and U: they are taken for one another, or for words
