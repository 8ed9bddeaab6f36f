"""The words of the button and the link, by language. The same file is in qrgate-jupyterhub."""

WORDS = {
    "en": {
        "button": "Sign in on your phone",
        "link": "Sign in with your phone",
        "title": "Use your phone",
        "title of site": "Use {site} on your phone",
        "text": "Scan a QR code, and your phone is signed in too. No password.",
        "refused": "This account cannot sign in.",
    },
    "de": {
        "button": "Auf dem Handy anmelden",
        "link": "Mit dem Handy anmelden",
        "title": "Dein Handy benutzen",
        "title of site": "{site} auf deinem Handy",
        "text": "Einmal einen QR-Code scannen, und dein Handy ist auch angemeldet. Ohne Passwort.",
        "refused": "Dieses Konto kann nicht angemeldet werden.",
    },
    "fr": {
        "button": "Connexion sur votre téléphone",
        "link": "Se connecter avec votre téléphone",
        "title": "Utiliser votre téléphone",
        "title of site": "{site} sur votre téléphone",
        "text": "Scannez un code QR, et votre téléphone est connecté aussi. Sans mot de passe.",
        "refused": "Ce compte ne peut pas se connecter.",
    },
    "es": {
        "button": "Inicia sesión en tu teléfono",
        "link": "Iniciar sesión con tu teléfono",
        "title": "Usa tu teléfono",
        "title of site": "{site} en tu teléfono",
        "text": "Escanea un código QR y tu teléfono también entrará. Sin contraseña.",
        "refused": "Esta cuenta no puede iniciar sesión.",
    },
    "ru": {
        "button": "Вход на телефоне",
        "link": "Вход с помощью телефона",
        "title": "На вашем телефоне",
        "title of site": "{site} на вашем телефоне",
        "text": "Отсканируйте QR-код — и телефон тоже войдёт. Без пароля.",
        "refused": "С этой учётной записью войти нельзя.",
    },
    "zh": {
        "button": "在手机上登录",
        "link": "用手机登录",
        "title": "在手机上使用",
        "title of site": "在手机上使用 {site}",
        "text": "扫描二维码，手机也会登录，无需密码。",
        "refused": "此帐号无法登录。",
    },
}


def word(name: str, language: str) -> str:
    return WORDS.get(language.replace("_", "-").split("-")[0].lower(), WORDS["en"])[name]
