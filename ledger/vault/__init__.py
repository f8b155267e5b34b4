"""Subject keys, sealed fields and attachments: everything about persons that must be destroyable later."""
