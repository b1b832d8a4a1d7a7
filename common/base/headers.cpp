// The standard library's headers, compiled once for all libraries
