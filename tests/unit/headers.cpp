// gtest, compiled once for all unit tests
