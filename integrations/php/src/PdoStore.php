<?php

declare(strict_types=1);

namespace Qrgate;

/**
 * Remembers accepted calls in a table of a database, which several servers can share:
 * `CREATE TABLE qrgate_calls (id CHAR(64) PRIMARY KEY, used_at BIGINT NOT NULL)`.
 */
final class PdoStore
{
    private const SECONDS = 900;

    /** @param string $table a name that needs no quotes */
    public function __construct(private \PDO $pdo, private string $table = 'qrgate_calls')
    {
        if (!preg_match('/^\w+(\.\w+)?$/D', $table)) {
            throw new SetupError("$table is not the name of a table");
        }
    }

    /**
     * Whether `$key` is used for the first time in 15 minutes.
     *
     * @throws SetupError if the table cannot be written to
     */
    public function __invoke(string $key): bool
    {
        $name = hash('sha256', $key);
        try {
            if ($name[0] === '0') { // about every 16th call
                $this->run("DELETE FROM $this->table WHERE used_at < ?", [time() - self::SECONDS]);
            }
            return $this->run("INSERT INTO $this->table (id, used_at) VALUES (?, ?)", [$name, time()]);
        } catch (\PDOException $error) {
            throw new SetupError("the table $this->table: " . $error->getMessage(), 0, $error);
        }
    }

    /** False if a row with this key exists (SQLSTATE class 23). */
    private function run(string $sql, array $values): bool
    {
        try {
            $statement = $this->pdo->prepare($sql);
            if ($statement !== false && $statement->execute($values)) {
                return true;
            }
            [$state, , $text] = ($statement ?: $this->pdo)->errorInfo();
        } catch (\PDOException $error) {
            [$state, $text] = [(string) $error->getCode(), $error->getMessage()];
        }
        if (str_starts_with((string) $state, '23')) {
            return false;
        }
        throw new \PDOException((string) $text);
    }
}
