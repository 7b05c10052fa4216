//! Phoenix Channels as plain data: serializers, a server socket core and a client core.
