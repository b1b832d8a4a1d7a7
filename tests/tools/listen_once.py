#!/usr/bin/env python3
"""Listens at a unix: endpoint and runs a program with the first connection as its stdin.

usage: listen_once.py PATH PROGRAM [ARGUMENT...]
"""
import os
import socket
import sys

door = socket.socket(socket.AF_UNIX)
door.bind(sys.argv[1])
door.listen()
connection, _ = door.accept()
os.dup2(connection.fileno(), 0)
os.execvp(sys.argv[2], sys.argv[2:])
