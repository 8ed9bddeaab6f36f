<?php

declare(strict_types=1);

namespace Qrgate;

/** Remembers accepted calls as empty files in a folder, for the processes of one server. */
final class FolderStore
{
    private const SECONDS = 900;

    private string $folder;

    /**
     * @param string|null $folder outside the document root. Default: the one that QRGATE_USED_DIR names, or one
     * in the system's
     *     temporary folder
     */
    public function __construct(?string $folder = null)
    {
        $user = function_exists('posix_geteuid') ? posix_geteuid() : get_current_user();
        $this->folder = $folder ?? (getenv('QRGATE_USED_DIR') ?: sys_get_temp_dir() . "/qrgate-$user");
    }

    /**
     * Whether `$key` is used for the first time in 15 minutes.
     *
     * @throws SetupError if the folder cannot be used
     */
    public function __invoke(string $key): bool
    {
        $this->prepare();
        $name = hash('sha256', $key);
        if ($name[0] === '0') { // about every 16th call
            $this->removeOld();
        }
        $file = "$this->folder/$name";
        if (@fopen($file, 'x') !== false) { // creates the file or fails, atomically
            return true;
        }
        clearstatcache(true, $file);
        if (file_exists($file)) {
            return false;
        }
        throw new SetupError("$this->folder: cannot create a file; check permissions and disk space");
    }

    private function prepare(): void
    {
        if (!is_dir($this->folder)) {
            @mkdir($this->folder, 0700, true);
            clearstatcache(true, $this->folder);
        }
        if (!is_dir($this->folder) || !is_writable($this->folder)) {
            throw new SetupError("$this->folder must be a folder that PHP can write to: create it or name another");
        }
        if ((fileperms($this->folder) & 0002) !== 0) {
            throw new SetupError("$this->folder: other users can delete the files in it; chmod o-w");
        }
        $root = ($_SERVER['DOCUMENT_ROOT'] ?? '') === '' ? false : realpath($_SERVER['DOCUMENT_ROOT']);
        if ($root !== false && str_starts_with(realpath($this->folder) . '/', "$root/")) {
            throw new SetupError("$this->folder is inside the document root: name a folder outside it");
        }
    }

    private function removeOld(): void
    {
        foreach (glob("$this->folder/*") ?: [] as $file) {
            if (@filemtime($file) < time() - self::SECONDS) {
                @unlink($file);
            }
        }
    }
}
