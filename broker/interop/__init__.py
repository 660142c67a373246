"""What Pumpwatch knows, in the forms of hospitals' systems: FHIR R4 resources and HL7 version 2 messages."""
