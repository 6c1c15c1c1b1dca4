"""Who is signed in: `spaces.auth`."""

from spaces_sdk.auth.admin import AdminAuth
from spaces_sdk.auth.client import AuthClient
from spaces_sdk.auth.models import AuthSession, ConfirmationRequired, SignedIn, SignUpResult, User

__all__ = ["AdminAuth", "AuthClient", "AuthSession", "ConfirmationRequired", "SignUpResult", "SignedIn", "User"]
