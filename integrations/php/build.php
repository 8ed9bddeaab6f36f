<?php
// Writes qrgate.php, the package as one file: the sources in src/ joined. With --check it compares instead.

$order = ['SetupError', 'Refused', 'Settings', 'Call', 'Verifier', 'FolderStore', 'PdoStore', 'RedisStore', 'Sessions', 'Hooks', 'functions'];
$sources = array_map(fn (string $path) => basename($path, '.php'), glob(__DIR__ . '/src/*.php'));
if (array_diff($sources, $order) !== []) {
    fwrite(STDERR, 'build.php does not list ' . implode(', ', array_diff($sources, $order)) . "\n");
    exit(1);
}
preg_match('/^## \[([0-9.]+)\]/m', file_get_contents(__DIR__ . '/CHANGELOG.md'), $found);
$head = "<?php\n\n// qrgate/php $found[1] as one file, to copy as it is. MIT OR Apache-2.0. Made from src/ by build.php: change it there.\n\n"
    . "declare(strict_types=1);\n\nnamespace Qrgate;\n";
$opening = "<?php\n\ndeclare(strict_types=1);\n\nnamespace Qrgate;\n";
$parts = array_map(fn (string $name) => str_replace($opening, '', file_get_contents(__DIR__ . "/src/$name.php")), $order);
$text = $head . implode('', $parts);
$file = __DIR__ . '/qrgate.php';

if (($argv[1] ?? '') === '--check') {
    $isSame = is_file($file) && file_get_contents($file) === $text;
    fwrite(STDERR, $isSame ? '' : "qrgate.php is not what build.php makes of src/: run php build.php\n");
    exit($isSame ? 0 : 1);
}
file_put_contents($file, $text);
