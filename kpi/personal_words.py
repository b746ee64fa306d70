"""The words of column names that speak of a person, in English and Spanish; compared as whole words only."""


def _words(*texts: str) -> frozenset[str]:
    return frozenset(word for text in texts for word in text.split())


# Enough by themselves, wherever they stand in a name.
ALONE = _words(
    "surname surnames lastname firstname fullname middlename apellido apellidos username titular spouse conyuge maiden",
    "email emails mail correo correos phone phones telephone telefono telefonos cellphone celular whatsapp fax tel",
    "ssn itin passport pasaporte cedula curp rfc dni nie nit nif cuit cuil rut cpf ruc ine ife iban clabe cbu",
    "signature firma dob birthdate birthday birth born nacimiento fechanacimiento cumpleanos",
    "address addresses direccion direcciones domicilio calle street colonia postcode zipcode zip postal",
    "latitude longitude latitud longitud",
    "phonenumber accountnumber bankaccount nationalid taxid emailaddress correoelectronico homeaddress postaladdress",
)

# Enough when they are the whole name.
SOLE = _words(
    "account cuenta customer client cliente clientes borrower acreditado deudor debtor holder beneficiary beneficiario",
    "aval guarantor contact contacto mobile movil ip user usuario person persona owner",
)

_NUMBER = _words("number num no nro numero id identifier holder titular")

# A word that needs another one beside it.
PAIRS: tuple[tuple[str, frozenset[str]], ...] = (
    ("account", _NUMBER | {"bank"}),
    ("cuenta", _NUMBER | {"bancaria", "banco"}),
    ("card", _NUMBER),
    ("tarjeta", _NUMBER),
    ("tax", _words("id identifier number no payer")),
    ("national", _words("id identifier number")),
    ("social", _words("security")),
    ("seguro", _words("social")),
    ("identity", _words("number card document")),
    ("identificacion", _words("numero num no nro oficial fiscal personal")),
    ("documento", _words("numero num no nro identidad")),
    ("license", _words("number driver drivers")),
    ("licencia", _words("numero conducir")),
    ("mobile", _words("number no phone")),
    ("movil", _words("numero num no")),
    ("cell", _words("number phone")),
    ("ip", _words("client user customer login")),
)

# A `name` of these is not a person's.
THINGS = _words(
    "product producto file archivo portfolio cartera branch sucursal fund fondo plan program programa campaign campana",
    "currency moneda country pais bank banco sheet hoja table tabla column columna field campo bucket stage etapa kpi",
    "metric metrica segment segmento scenario pipeline dataset source fuente system sistema tape lender vehicle",
)

# A last word that makes it a fact about the thing and not the thing itself: email_count, phone_verified.
HARMLESS = _words(
    "count cantidad flag verified verificado type tipo status estatus pct percent ratio amount monto usd mxn balance",
    "saldo rate tasa score bucket days dias",
)
