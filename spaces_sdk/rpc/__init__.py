"""Calls of the database's functions, over PostgREST."""

from spaces_sdk.rpc.client import SCHEMA_VERSION, RpcClient
from spaces_sdk.rpc.procedures import Procedure, Repeat, TableRead
from spaces_sdk.rpc.tokens import ProviderTokens, TokenProvider, TokenSource

__all__ = [
    "SCHEMA_VERSION",
    "Procedure",
    "ProviderTokens",
    "Repeat",
    "RpcClient",
    "TableRead",
    "TokenProvider",
    "TokenSource",
]
